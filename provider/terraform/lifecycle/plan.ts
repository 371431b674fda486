import type { z } from 'zod';
import type { HostSnapshot } from '../../engine/snapshot.ts';
import { isSilent } from '../../executor/diagnostics.ts';
import { type Address, describeAddress } from '../../model/address.ts';
import { type Diagnostic, problem } from '../../model/diagnostic.ts';
import {
  type CallContext,
  isWhollyKnown,
  type ObjectValue,
  type PlanRequest,
  type PlanResponse,
  type PluginDiagnostic,
} from '../../tfplugin/types.ts';
import { concerning, pluginDiagnostics } from '../diagnostics.ts';
import type { Kind, Prospect } from '../kind.ts';
import type { Hosts, Reach } from '../reach.ts';
import { parseSpec } from '../values.ts';
import { announcements } from './announce.ts';
import { isSame } from './settle.ts';

interface Seen {
  readonly snapshot?: HostSnapshot;
  readonly diagnostics: readonly Diagnostic[];
}

/** Plans what should be: drift shows where that differs from what Read stored. Announces what a change disturbs. */
export async function planResource<S extends z.ZodObject, D>(
  kind: Kind<S, D>,
  hosts: Hosts,
  request: PlanRequest,
  context: CallContext,
): Promise<PlanResponse> {
  const { prior, config, privateState } = request;
  const undecided = kind.plan(request.planned, prior, undefined);
  const address = kind.address(request.planned);
  if (address === undefined) return { planned: undecided };
  const reach = hosts.reach(address.host, request.action === 'create' ? undefined : privateState);
  const seen = await look(kind, reach, hosts, request, context);
  const memory = reach.kind === 'ready' ? { ...privateState, ...reach.access.memory } : privateState;
  const renamed = renaming(reach, hosts, request, address);
  if (renamed !== undefined) return { planned: undecided, diagnostics: pluginDiagnostics([renamed]) };
  if (seen.diagnostics.length > 0)
    return { planned: undecided, diagnostics: pluginDiagnostics(concerning(address, seen.diagnostics)) };
  const fleet = reach.kind === 'ready' ? reach.access.fleet : (hosts.fleet ?? '');
  const prospect = { prior, fleet, ...(seen.snapshot === undefined ? {} : { snapshot: seen.snapshot }) };
  if (!isWhollyKnown(config)) {
    const remarks = remarksOf(kind, address, request, undecided, prospect);
    return { planned: undecided, privateState: memory, diagnostics: pluginDiagnostics(remarks) };
  }
  const parsed = parseSpec(kind.spec, config);
  if (!parsed.ok) return { planned: undecided, diagnostics: parsed.diagnostics };
  const wanted = await kind.want({ address, fleet, spec: parsed.value }, seen.snapshot);
  if (!wanted.ok) {
    return { planned: undecided, diagnostics: pluginDiagnostics(concerning(address, wanted.diagnostics)) };
  }
  const planned = kind.plan(request.planned, prior, wanted.value);
  return {
    planned,
    privateState: memory,
    diagnostics:
      seen.snapshot === undefined
        ? pluginDiagnostics(remarksOf(kind, address, request, planned, prospect))
        : outlook(kind, request, wanted.value, seen.snapshot, prospect),
  };
}

/**
 * A replacement is planned twice: with what there is, then as if it were made. Of the second answer Terraform shows errors alone (its
 * node_resource_abstract_instance.go, `plan`), so what people should know is said in the first.
 */
function isMadeAnew({ action, requiresReplace }: PlanRequest): boolean {
  return action === 'create' || requiresReplace.length > 0;
}

/** Where no operations are planned upon what the host shows: it is made, or the definition is all there is to go by. */
function remarksOf<S extends z.ZodObject, D>(
  kind: Kind<S, D>,
  address: Address,
  request: PlanRequest,
  planned: ObjectValue,
  prospect: Prospect,
): readonly Diagnostic[] {
  if (!isMadeAnew(request) && isSame(planned, request.prior)) return [];
  return kind.remarks?.(address, request.config, prospect) ?? [];
}

/** The host, if it can be asked. A host that is to be made in the same run does not answer yet, and need not. */
async function look<S extends z.ZodObject, D>(
  kind: Kind<S, D>,
  reach: Reach,
  hosts: Hosts,
  request: PlanRequest,
  context: CallContext,
): Promise<Seen> {
  if (reach.kind === 'not-known-yet') return { diagnostics: [] };
  if (reach.kind === 'absent') return { diagnostics: [reach.diagnostic] };
  const observed = await reach.access.observe(
    kind.binaries?.(request.planned),
    kind.sources?.(request.planned),
  );
  if (observed.ok) return { snapshot: observed.value, diagnostics: [] };
  const silent = isSilent(observed.diagnostics);
  if (silent && (request.action === 'create' || hosts.unreachable === 'keep')) {
    context.log.info('the plan is made without the host, which does not answer', { host: reach.access.host });
    return { diagnostics: [] };
  }
  return { diagnostics: observed.diagnostics };
}

/** What stands against the change, and what it disturbs. */
function outlook<S extends z.ZodObject, D>(
  kind: Kind<S, D>,
  request: PlanRequest,
  desired: D,
  snapshot: HostSnapshot,
  prospect: Prospect,
): readonly PluginDiagnostic[] {
  const obstacles = kind.obstacles(desired, snapshot);
  const address = kind.address(request.planned);
  if (obstacles.length > 0 || address === undefined) return pluginDiagnostics(obstacles);
  const { prior, config } = request;
  const told = (known: Prospect) => [
    ...(kind.remarks?.(address, config, known) ?? []),
    ...(kind.cautions?.(desired, snapshot, prior) ?? []),
  ];
  if (isMadeAnew(request)) return pluginDiagnostics(told(prospect));
  const found = kind.find(snapshot, address, prospect.fleet, prior ?? {});
  if (found === undefined) return [];
  const work = kind.work(desired, snapshot);
  if (!work.ok) return pluginDiagnostics(work.diagnostics);
  const { change } = work.value;
  const more = change.action === 'noop' ? [] : told({ ...prospect, change });
  return pluginDiagnostics([...announcements(change), ...more, ...work.warnings]);
}

/** What was made under another fleet's name is that fleet's on the host, whatever the configuration says now. */
function renaming(
  reach: Reach,
  hosts: Hosts,
  request: PlanRequest,
  address: Address,
): Diagnostic | undefined {
  if (reach.kind !== 'ready' || request.action === 'create') return undefined;
  if (hosts.fleet === undefined || reach.access.fleet === hosts.fleet) return undefined;
  return problem('fleet-renamed', `${describeAddress(address)} was made by fleet ${reach.access.fleet}`, {
    detail: `The provider's configuration says ${hosts.fleet}.`,
    hint: 'A fleet keeps its name. To rename it, destroy what it has made first.',
  });
}
