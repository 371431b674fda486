import type { HostSnapshot } from '../engine/snapshot.ts';
import { bounded } from '../executor/bounded.ts';
import type { Fleet } from '../executor/fleet.ts';
import { guestSafety, haltUnsafe } from '../executor/halt.ts';
import { failures, remarks } from '../executor/outcome.ts';
import { type Address, describeAddress } from '../model/address.ts';
import { type Diagnostic, problem } from '../model/diagnostic.ts';
import type { GuestEvidence } from '../model/evidence.ts';
import type { Operation, OperationResult } from '../model/operation.ts';
import { changedIn, type FleetPlan, observe, type PlannedHost, planIntent } from './planning.ts';

/**
 * How one object of a plan ended. `unproven`: its steps went well, and what the host shows is not as planned; a guest whose isolation does
 * not hold was stopped. `interrupted`: a stop was asked for when some of its steps were done. `not-begun`: by then none was, or its host
 * could not be worked on, and `diagnostics` says why.
 */
export type ObjectState = 'done' | 'failed' | 'unproven' | 'interrupted' | 'not-begun';

export interface ObjectOutcome {
  readonly address: Address;
  readonly state: ObjectState;
}

/** What came of one host's part of a plan. */
export interface HostOutcome {
  readonly host: string;
  readonly objects: readonly ObjectOutcome[];
  /** Of the guests that were made or changed, as they run now. */
  readonly evidence: readonly GuestEvidence[];
  readonly diagnostics: readonly Diagnostic[];
}

export interface ApplyOutcome {
  readonly hosts: readonly HostOutcome[];
  /** All was done, and every guest's isolation holds. */
  readonly ok: boolean;
  /** It was asked to stop before everything was done. */
  readonly stopped: boolean;
}

export interface ApplyingOptions {
  readonly link: Fleet;
  readonly parallelism: number;
  /** From when it is aborted on, the steps that run come to their end and no more are begun. */
  readonly signal?: AbortSignal;
  readonly onHostDone?: (outcome: HostOutcome) => void;
}

/** Carries a plan out: one write per host, side by side. Then the evidence of what was started is judged; a guest that fails that is stopped. */
export async function applyHosts(plan: FleetPlan, options: ApplyingOptions): Promise<ApplyOutcome> {
  const { link, parallelism, signal, onHostDone } = options;
  const stop = () => void link.stop();
  signal?.addEventListener('abort', stop);
  try {
    const work = plan.hosts.filter(({ operations }) => operations.length > 0);
    const hosts = await bounded(work, parallelism, async (host) => {
      const outcome = signal?.aborted === true ? notBegun(host) : await applyHost(host, plan.fleet, link);
      onHostDone?.(outcome);
      return outcome;
    });
    return {
      hosts,
      ok: hosts.every(({ objects, diagnostics }) => isWell(objects) && !hasErrors(diagnostics)),
      stopped: signal?.aborted === true && hosts.some(({ objects }) => objects.some(isLeft)),
    };
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}

function isWell(objects: readonly ObjectOutcome[]): boolean {
  return objects.every(({ state }) => state === 'done');
}

function isLeft({ state }: ObjectOutcome): boolean {
  return state === 'not-begun' || state === 'interrupted';
}

function hasErrors(diagnostics: readonly Diagnostic[]): boolean {
  return diagnostics.some(({ severity }) => severity === 'error');
}

function notBegun(host: PlannedHost): HostOutcome {
  const objects = changedIn(host).map((address) => ({ address, state: 'not-begun' as const }));
  return { host: host.host, objects, evidence: [], diagnostics: [] };
}

async function applyHost(planned: PlannedHost, fleet: string, link: Fleet): Promise<HostOutcome> {
  const { host, target, operations } = planned;
  const written = await link.write(target, operations);
  if (!written.ok) return { ...notBegun(planned), diagnostics: written.diagnostics };
  const { results, snapshot } = written.value;
  const calledOff = results.filter(({ code }) => code === 'stopped');
  const told: Diagnostic[] = [
    ...failures(
      operations,
      results.filter((result) => !calledOff.includes(result)),
    ),
    ...remarks(operations, results),
    ...written.warnings,
  ];
  const begun = statesOf(changedIn(planned), operations, results);
  if (!snapshot.ok) {
    const diagnostics = [...told, ...snapshot.diagnostics];
    return { host, objects: unproven(begun), evidence: [], diagnostics };
  }
  const judged = await judgeGuests(planned, begun, snapshot.value, fleet, link);
  const objects = begun.map((one) => (judged.unsafe.has(one.address.name) ? asUnsafe(one) : one));
  const left = await leftOver(planned, objects, fleet, link);
  const drifted = new Set(left.map(({ resource }) => resource));
  return {
    host,
    objects: objects.map((one) => (drifted.has(describeAddress(one.address)) ? asUnsafe(one) : one)),
    evidence: objects.flatMap(({ address }) => evidenceOf(address, judged.snapshot)),
    diagnostics: [...told, ...judged.diagnostics, ...left],
  };
}

function asUnsafe(one: ObjectOutcome): ObjectOutcome {
  return one.state === 'done' ? { ...one, state: 'unproven' } : one;
}

function unproven(objects: readonly ObjectOutcome[]): readonly ObjectOutcome[] {
  return objects.map(asUnsafe);
}

function evidenceOf(address: Address, { evidence }: HostSnapshot): readonly GuestEvidence[] {
  const found = address.kind === 'guest' ? evidence.get(address.name) : undefined;
  return found === undefined ? [] : [found];
}

/** An object is done when all its steps ended well, and not begun when none was. */
function statesOf(
  addresses: readonly Address[],
  operations: readonly Operation[],
  results: readonly OperationResult[],
): readonly ObjectOutcome[] {
  const byObject = new Map<string, OperationResult[]>();
  operations.forEach(({ address }, index) => {
    const result = results[index];
    const key = describeAddress(address);
    const steps = byObject.get(key);
    if (result !== undefined && steps === undefined) byObject.set(key, [result]);
    else if (result !== undefined) steps?.push(result);
  });
  return addresses.map((address) => ({
    address,
    state: stateOf(byObject.get(describeAddress(address)) ?? []),
  }));
}

function stateOf(steps: readonly OperationResult[]): ObjectState {
  const isWell = ({ status }: OperationResult) => status === 'same' || status === 'changed';
  const isLeftOut = ({ code, status }: OperationResult) => code === 'stopped' || status === 'skipped';
  if (steps.every(isWell)) return 'done';
  if (!steps.some(({ code }) => code === 'stopped')) return 'failed';
  if (steps.every(isLeftOut)) return 'not-begun';
  return steps.every((step) => isWell(step) || isLeftOut(step)) ? 'interrupted' : 'failed';
}

interface Judged {
  readonly snapshot: HostSnapshot;
  readonly unsafe: ReadonlySet<string>;
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * After a failed step too, what runs and must not is ended. A guest whose restart was called off still runs as it did before: its
 * record is that of what it was to become, and says nothing of it.
 */
async function judgeGuests(
  { target, changes }: PlannedHost,
  objects: readonly ObjectOutcome[],
  snapshot: HostSnapshot,
  fleet: string,
  link: Fleet,
): Promise<Judged> {
  const made = new Set(
    changes.filter(({ action }) => action !== 'delete').map(({ address }) => describeAddress(address)),
  );
  const judged = await Promise.all(
    objects
      .filter(({ address }) => address.kind === 'guest' && made.has(describeAddress(address)))
      .filter(({ state }) => state === 'done' || state === 'failed')
      .map(async ({ address, state }) => {
        const reached = { address, fleet, snapshot, failed: state === 'failed' };
        const halted = await haltUnsafe(guestSafety, reached, (steps, options) =>
          link.write(target, steps, options),
        );
        return halted === undefined ? [] : [{ name: address.name, ...halted }];
      }),
  );
  const halted = judged.flat();
  return {
    snapshot: halted.at(-1)?.snapshot ?? snapshot,
    unsafe: new Set(halted.map(({ name }) => name)),
    diagnostics: halted.flatMap(({ diagnostics }) => diagnostics),
  };
}

/** What was done and is not as planned even so: something on the host undoes it. */
async function leftOver(
  { intent, host }: PlannedHost,
  objects: readonly ObjectOutcome[],
  fleet: string,
  link: Fleet,
): Promise<readonly Diagnostic[]> {
  const done = new Set(
    objects.filter(({ state }) => state === 'done').map(({ address }) => describeAddress(address)),
  );
  if (done.size === 0) return [];
  const seen = await observe(intent, link);
  const plan = seen.ok ? planIntent(intent, fleet, seen.value) : seen;
  if (!plan.ok) return plan.diagnostics;
  return plan.value.changes
    .filter(({ address, action }) => action !== 'noop' && done.has(describeAddress(address)))
    .map(({ address, reasons }) => {
      const resource = describeAddress(address);
      return problem('not-as-planned', `${resource} is not as it was planned, even now`, {
        ...{ host, resource },
        detail: reasons.map(({ path, before }) => `${path.join('.')} shows: ${before}`).join('\n'),
        hint: 'Something on the host undoes it. Find what, then apply again.',
      });
    });
}
