import { type GateHost, type GateOptions, pauseFor, waitForEvidence } from '../executor/gate.ts';
import { systemClock } from '../model/clock.ts';
import { type Diagnostic, failure, problem, type Result, success } from '../model/diagnostic.ts';
import { type GateSpec, gateSchema } from '../spec/gate.ts';
import {
  type ApplyResponse,
  attribute,
  type CallContext,
  type CreateRequest,
  isList,
  isObject,
  type ManagedResource,
  type ObjectValue,
  type PlanRequest,
  type PlanResponse,
  type Schema,
} from '../tfplugin/types.ts';
import { pluginDiagnostic, pluginDiagnostics } from './diagnostics.ts';
import type { Hosts } from './reach.ts';
import { attributesOf } from './schema.ts';
import { checkSpec, parseSpec } from './values.ts';

const schema: Schema = {
  description:
    'Holds back what depends on it (`depends_on = [stockade_gate.x]`) until the live processes of its guests show every layer of their isolation as asked for. Nothing is made on a host; a gate that is not passed is an error.',
  attributes: attributesOf(gateSchema, 'resource', {
    opened_at: attribute.string({
      computed: true,
      keepWhenUpdated: true,
      description: "When it was passed, by this machine's clock (RFC 3339).",
    }),
  }),
};

/** `stockade_gate` */
export function gateResource(
  hosts: Hosts,
  timing: Pick<GateOptions, 'clock' | 'pause'> = { clock: systemClock, pause: pauseFor },
): ManagedResource {
  return {
    schema,
    validate: async ({ config }) => checkSpec(gateSchema, config),
    plan: async (request) => planGate(hosts, request),
    create: (request, context) => pass(hosts, timing, request, context),
    // only how long it would wait: another group makes it anew
    update: async ({ planned }) => ({ state: planned }),
    delete: async () => ({}),
    importState: async () => ({ imported: [], diagnostics: pluginDiagnostics([notOnHosts]) }),
  };
}

/** A gate that was passed is left alone; to pass a new one, the hosts have to be known. */
function planGate(hosts: Hosts, { action, planned }: PlanRequest): PlanResponse {
  if (action === 'update') return {};
  const absent = guestsOf(planned).flatMap((guest) => {
    const reach = hosts.reach(guest['host'] ?? null);
    return reach.kind === 'absent' ? [reach.diagnostic] : [];
  });
  const unique = [...new Map(absent.map((one) => [one.summary, one])).values()];
  return { diagnostics: unique.map((one) => pluginDiagnostic(one, ['guests'])) };
}

function guestsOf({ guests }: ObjectValue): readonly ObjectValue[] {
  return isList(guests ?? null) ? (guests as readonly ObjectValue[]).filter((one) => isObject(one)) : [];
}

/** Waits. A gate that stays shut is not there, so that the next plan makes it again. */
async function pass(
  hosts: Hosts,
  timing: Pick<GateOptions, 'clock' | 'pause'>,
  { config, planned }: CreateRequest,
  { signal, log }: CallContext,
): Promise<ApplyResponse> {
  const parsed = parseSpec(gateSchema, config);
  if (!parsed.ok) return { state: null, diagnostics: parsed.diagnostics };
  const concerned = gateHosts(hosts, parsed.value);
  if (!concerned.ok) return { state: null, diagnostics: pluginDiagnostics(concerned.diagnostics) };
  const { timeoutSeconds } = parsed.value;
  const onWait = (problems: readonly Diagnostic[]) =>
    log.info('the gate is shut', { problems: problems.map(({ summary }) => summary) });
  const passed = await waitForEvidence(concerned.value, { ...timing, timeoutSeconds, signal, onWait });
  if (!passed.ok) return { state: null, diagnostics: pluginDiagnostics(passed.diagnostics) };
  return { state: { ...planned, opened_at: new Date(timing.clock.now()).toISOString() } };
}

/** The guests by host, each with the way to look at it. */
function gateHosts(hosts: Hosts, { guests }: GateSpec): Result<readonly GateHost[]> {
  const names = [...new Set(guests.map(({ host }) => host))];
  const reached = names.map((host) => ({ host, reach: hosts.reach(host) }));
  const problems = reached.flatMap(({ host, reach }): readonly Diagnostic[] => {
    if (reach.kind === 'absent') return [reach.diagnostic];
    return reach.kind === 'ready' ? [] : [unknownWay(host)];
  });
  if (problems.length > 0) return failure(...problems);
  return success(
    reached.flatMap(({ host, reach }): readonly GateHost[] => {
      if (reach.kind !== 'ready') return [];
      const { access } = reach;
      const look = () => {
        access.forget();
        return access.observe();
      };
      return [{ host, fleet: access.fleet, guests: guests.filter((guest) => guest.host === host), look }];
    }),
  );
}

function unknownWay(host: string): Diagnostic {
  return problem('not-known', `how to reach host ${host} is not known even now`, {
    hint: "See that the provider's configuration resolves to values.",
    host,
  });
}

const notOnHosts = problem(
  'not-importable',
  'a stockade_gate cannot be imported: there is nothing of it on a host',
  {
    hint: 'Let Terraform create it. That changes nothing on a host; it passes as soon as the isolation of its guests is seen to hold.',
  },
);
