import type { z } from 'zod';
import type { HostSnapshot } from '../../engine/snapshot.ts';
import { type Address, describeAddress, resourceId } from '../../model/address.ts';
import { type Diagnostic, failure, problem, type Result, success } from '../../model/diagnostic.ts';
import type { ApplyResponse, CreateRequest, ObjectValue, UpdateRequest } from '../../tfplugin/types.ts';
import { concerning, pluginDiagnostics } from '../diagnostics.ts';
import type { Kind } from '../kind.ts';
import type { HostAccess, Hosts } from '../reach.ts';
import { parseSpec } from '../values.ts';
import type { Replacements } from './replacement.ts';
import { conflicts, isSame, settle } from './settle.ts';
import { judge } from './conclude.ts';
import { failures, remarks, wasOvertaken } from '../../executor/outcome.ts';

/** One apply of one object: what is asked for, and where. */
interface Job<D> {
  readonly address: Address;
  readonly access: HostAccess;
  readonly desired: D;
  readonly planned: ObjectValue;
  /** `null`: it is to be made. */
  readonly prior: ObjectValue | null;
  /** It was left in place by the delete before: what is found is what is to be brought up to date. */
  readonly takingOver: boolean;
}

/** How often a plan that somebody else's batch has overtaken is made anew. */
const attempts = 3;

/** Makes it. What is left of a failed attempt is returned beside the error, so that Terraform knows of it (and taints it). */
export async function createResource<S extends z.ZodObject, D>(
  kind: Kind<S, D>,
  hosts: Hosts,
  replacements: Replacements,
  request: CreateRequest,
): Promise<ApplyResponse> {
  return applyResource(kind, hosts, replacements, request, null);
}

/** Brings it to what is asked for, in place. */
export async function updateResource<S extends z.ZodObject, D>(
  kind: Kind<S, D>,
  hosts: Hosts,
  replacements: Replacements,
  request: UpdateRequest,
): Promise<ApplyResponse> {
  return applyResource(kind, hosts, replacements, request, request.prior);
}

async function applyResource<S extends z.ZodObject, D>(
  kind: Kind<S, D>,
  hosts: Hosts,
  replacements: Replacements,
  request: CreateRequest,
  prior: ObjectValue | null,
): Promise<ApplyResponse> {
  const job = await prepare(kind, hosts, replacements, request, prior);
  if (!job.ok) return { state: prior, diagnostics: pluginDiagnostics(job.diagnostics) };
  const done = await tried(kind, job.value, await carryOut(kind, job.value));
  if (done.state === 'untouched') {
    return { state: prior, diagnostics: pluginDiagnostics(done.diagnostics) };
  }
  return {
    state: done.state,
    privateState: { ...request.privateState, ...job.value.access.memory },
    diagnostics: pluginDiagnostics(done.diagnostics),
  };
}

/** Everything that is checked before the host is touched. */
async function prepare<S extends z.ZodObject, D>(
  kind: Kind<S, D>,
  hosts: Hosts,
  replacements: Replacements,
  request: CreateRequest,
  prior: ObjectValue | null,
): Promise<Result<Job<D>>> {
  const { config, planned } = request;
  const parsed = parseSpec(kind.spec, config);
  if (!parsed.ok) return { ok: false, diagnostics: parsed.diagnostics.map(asModel) };
  const address = kind.address(planned);
  const reach = address === undefined ? undefined : hosts.reach(address.host, request.privateState);
  if (address === undefined || reach === undefined || reach.kind === 'not-known-yet') {
    return { ok: false, diagnostics: [stillUnknown(kind.type)] };
  }
  if (reach.kind === 'absent') return { ok: false, diagnostics: [reach.diagnostic] };
  const observed = await reach.access.observe(kind.binaries?.(planned), kind.sources?.(planned));
  if (!observed.ok) return failure(...concerning(address, observed.diagnostics));
  const wanted = await kind.want({ address, fleet: reach.access.fleet, spec: parsed.value }, observed.value);
  if (!wanted.ok) return failure(...concerning(address, wanted.diagnostics));
  const moved = conflicts(planned, kind.plan(planned, prior, wanted.value));
  if (moved.length > 0)
    return { ok: false, diagnostics: moved.map((path) => changedSincePlan(address, path)) };
  return success({
    address,
    access: reach.access,
    desired: wanted.value,
    planned,
    prior,
    takingOver: prior === null && replacements.takeOver(address),
  });
}

interface Done {
  /** `untouched`: nothing was done, what was before is still so. */
  readonly state: ObjectValue | null | 'untouched';
  readonly diagnostics: readonly Diagnostic[];
}

async function carryOut<S extends z.ZodObject, D>(kind: Kind<S, D>, job: Job<D>): Promise<Done> {
  for (let attempt = 1; ; attempt++) {
    const { access } = job;
    const observed = await access.observe([], kind.sources?.(job.planned));
    if (!observed.ok)
      return { state: 'untouched', diagnostics: concerning(job.address, observed.diagnostics) };
    const objection = presence(kind, job, observed.value);
    if (objection !== undefined) return { state: 'untouched', diagnostics: [objection] };
    const work = kind.work(job.desired, observed.value);
    if (!work.ok) return { state: 'untouched', diagnostics: work.diagnostics };
    const { operations } = work.value;
    if (operations.length === 0) return conclude(kind, job, observed, []);
    const written = await access.write(operations);
    if (!written.ok) return { state: 'untouched', diagnostics: concerning(job.address, written.diagnostics) };
    const { results, snapshot } = written.value;
    const told = [...failures(operations, results), ...remarks(operations, results), ...written.warnings];
    if (!wasOvertaken(results)) return conclude(kind, job, snapshot, told);
    if (attempt === attempts) return { state: 'untouched', diagnostics: told };
    access.forget();
  }
}

/** Create refuses what is there already; update needs it to be there. */
function presence<S extends z.ZodObject, D>(
  kind: Kind<S, D>,
  job: Job<D>,
  snapshot: HostSnapshot,
): Diagnostic | undefined {
  const { address, access } = job;
  const found = kind.find(snapshot, address, access.fleet, job.planned);
  const resource = describeAddress(address);
  const at = { host: address.host, resource };
  if (found !== undefined && found.owners.length > 0 && !found.owners.includes(access.fleet)) {
    return problem('record-foreign', `${resource} exists and belongs to another fleet`, {
      ...at,
      detail: `Its owner is ${found.owners.join(', ')}; this configuration is ${access.fleet}.`,
      hint: 'It is not ours to touch: give yours another name, or work with the configuration that owns it.',
    });
  }
  const creating = job.prior === null;
  if (creating && !job.takingOver && found !== undefined) {
    const id = resourceId(address);
    return problem('record-exists', `${resource} exists already`, {
      ...at,
      detail: 'It was made earlier by this fleet, and this state does not know of it.',
      hint: `Import it: terraform import ${kind.type}.NAME ${id}, or in the code:`,
      copy: `import { to = ${kind.type}.NAME, id = ${JSON.stringify(id)} }`,
    });
  }
  if (!creating && found === undefined) {
    return problem('record-gone', `${resource} is gone from the host since the plan was made`, {
      ...at,
      hint: 'Plan and apply again.',
    });
  }
  if (!creating && isNewer(found?.state ?? {}, job.prior)) {
    return problem('record-moved', `${resource} was changed since the plan was made`, {
      ...at,
      detail: 'Somebody else changed it meanwhile, and the plan does not know how.',
      hint: 'Plan and apply again.',
    });
  }
  return undefined;
}

/** Whether it is not of the generation that was planned upon. What several fleets share has none and is merged. */
function isNewer(found: ObjectValue, planned: ObjectValue): boolean {
  const [now, then] = [found['generation'] ?? null, planned['generation'] ?? null];
  return now !== null && then !== null && !isSame(now, then);
}

/** What was reached: checked against what was planned, ended where it must not go on. */
async function conclude<S extends z.ZodObject, D>(
  kind: Kind<S, D>,
  job: Job<D>,
  reached: Result<HostSnapshot>,
  soFar: readonly Diagnostic[],
): Promise<Done> {
  const { access, address, planned } = job;
  if (!reached.ok) {
    // Something may have been made and could not be looked at: Terraform has to remember it.
    return {
      state: settle(planned, {}),
      diagnostics: [...soFar, ...concerning(address, reached.diagnostics)],
    };
  }
  const failed = soFar.some((one) => one.severity === 'error');
  const judged = await judge(kind, access, job, { snapshot: reached.value, failed });
  const found = kind.find(judged.snapshot, address, access.fleet, planned);
  const diagnostics = [...soFar, ...judged.objections];
  if (found === undefined) {
    if (failed) return { state: null, diagnostics };
    const missing = problem('no-record', `${describeAddress(address)} left no record on the host`, {
      host: address.host,
      hint: 'Apply again; if it stays so, see who removes files below /var/lib/stockade.',
    });
    return { state: settle(planned, {}), diagnostics: [...diagnostics, missing] };
  }
  if (diagnostics.some((one) => one.severity === 'error')) return { state: found.state, diagnostics };
  return { state: settle(planned, found.state), diagnostics };
}

/** The trial of what was made, where the plan asks for one. What was made stays; what was found is part of the state also where it is bad. */
async function tried<S extends z.ZodObject, D>(kind: Kind<S, D>, job: Job<D>, done: Done): Promise<Done> {
  const bad = done.diagnostics.some((one) => one.severity === 'error');
  if (bad || done.state === null || done.state === 'untouched') return done;
  const trial = await kind.trial?.(job.access, job.planned);
  if (trial === undefined) return done;
  const found = concerning(job.address, trial.diagnostics);
  return { state: { ...done.state, ...trial.found }, diagnostics: [...done.diagnostics, ...found] };
}

function asModel(one: { readonly summary: string; readonly detail?: string }): Diagnostic {
  return problem('bad-definition', one.summary, one.detail === undefined ? {} : { detail: one.detail });
}

function stillUnknown(type: string): Diagnostic {
  return problem('not-known', `where this ${type} is to be made is not known even now`, {
    hint: "See that the provider's configuration and the host's name resolve to values.",
  });
}

function changedSincePlan(address: Address, path: string): Diagnostic {
  return problem('changed-since-plan', `${describeAddress(address)}: ${path} is not what was planned`, {
    hint: 'The file was changed after the plan was made. Plan again.',
    host: address.host,
  });
}
