import { type HostWish, planHost } from '../../provider/engine/plan.ts';
import type { HostSnapshot } from '../../provider/engine/snapshot.ts';
import type { ExecutorEvent } from '../../provider/executor/events.ts';
import { Fleet, type Written } from '../../provider/executor/fleet.ts';
import type { SessionCounters } from '../../provider/executor/session.types.ts';
import type { Result } from '../../provider/model/diagnostic.ts';
import type { Operation } from '../../provider/model/operation.ts';
import type { SshTarget } from '../../provider/connect/target.ts';
import { type GuestDesired, plainGuest } from '../../provider/resources/guest/desired.ts';
import { guestRemoval } from '../../provider/resources/guest/operations.ts';
import { hostRemoval } from '../../provider/resources/host/operations.ts';
import { qemuUsersRemoval } from '../../provider/resources/qemu-users/operations.ts';
import type { BenchHost } from './host.ts';
import { commandLine, guestMemoryMib } from './host.ts';
import { notAsExpected } from '../container-host.ts';

/** One run of the core, taken apart. Milliseconds. */
export interface CoreRun {
  readonly total: number;
  /** By phase, in order: what is outside of the host's steps is measured here, the steps as the host reports them. */
  readonly phases: ReadonlyMap<string, number>;
  readonly counters: SessionCounters;
}

export const fleet = 'bench';
/** As many as a host gets where nothing is said, or as many as are needed. */
const domidsFor = (guests: number) => ({ firstDomid: 1, lastDomid: Math.max(64, guests) });

/** The work in question by the core: one connection, one look, one write, and evidence that every layer of every guest holds. */
export async function startByCore(host: BenchHost, guests: number): Promise<CoreRun> {
  const events: ExecutorEvent[] = [];
  const link = new Fleet({ holder: 'benchmark', sink: (event) => events.push(event) });
  try {
    const start = performance.now();
    const target = targetOf(host);
    const seen = value(await link.observe(target));
    const observed = performance.now();
    const plan = value(planHost(wishOf(host, guests), seen));
    const planned = performance.now();
    const snapshot = await written(link.write(target, plan.operations));
    const total = performance.now() - start;
    proven(snapshot, guests);
    const counters = link.counters().get(target.host);
    if (counters === undefined) throw new Error('no host was spoken to');
    const local = [planned - observed, total - (planned - start)] as const;
    return { total, phases: phasesOf(events, local), counters };
  } finally {
    await link.close();
  }
}

/** Makes host and users ready and leaves them so: what the neighbours find ready too. */
export async function prepareByCore(host: BenchHost): Promise<void> {
  await startByCore(host, 0);
}

export async function stopByCore(
  host: BenchHost,
  guests: number | readonly string[],
  options: { readonly everything: boolean },
): Promise<void> {
  const link = new Fleet({ holder: 'benchmark' });
  const target = targetOf(host);
  const at = { host: target.host };
  const names = typeof guests === 'number' ? guestNames(guests) : guests;
  try {
    await written(
      link.write(
        target,
        names.flatMap((name) => guestRemoval({ ...at, name }, fleet, 'any')),
      ),
    );
    if (!options.everything) return;
    for (const operations of [
      qemuUsersRemoval({ ...at, scheme: 'per-domain' }, fleet, 'any'),
      hostRemoval(at, fleet, 'any'),
    ] satisfies (readonly Operation[])[]) {
      await written(link.write(target, operations));
    }
  } finally {
    await link.close();
  }
}

export function targetOf({ lab }: BenchHost): SshTarget {
  return {
    connection: 'ssh2',
    host: lab.name,
    address: lab.address,
    port: lab.port,
    user: lab.user,
    trust: { kind: 'known-hosts', files: [lab.knownHostsFile] },
    identities: [{ kind: 'key-file', path: lab.keyFile }],
    sudo: false,
    connectTimeoutSeconds: 30,
  };
}

export function guestNames(guests: number): readonly string[] {
  return Array.from({ length: guests }, (_, index) => `bench${index + 1}`);
}

/** A guest as all of them are here, but for what is changed. */
export function guestOf(host: BenchHost, name: string, change: Partial<GuestDesired> = {}): GuestDesired {
  return {
    host: host.lab.name,
    fleet,
    name,
    scheme: 'per-domain',
    memoryMib: guestMemoryMib,
    vcpus: 1,
    machine: 'q35',
    accelerator: 'tcg',
    kernel: { kind: 'host', path: host.kernel },
    initrd: { kind: 'host', path: host.initrd },
    commandLine,
    ...plainGuest,
    serialLogMaxKib: 1024,
    restartPolicy: 'never',
    shutdownTimeoutSeconds: 0,
    ...change,
  };
}

export function wishOf(host: BenchHost, guests: number): HostWish {
  const at = { host: host.lab.name, fleet };
  return {
    host: { ...at, qemuBinary: undefined, toolstack: 'qemu' },
    users: [{ ...at, scheme: 'per-domain', ...domidsFor(guests), uidBase: undefined }],
    guests: guestNames(guests).map((name) => guestOf(host, name)),
    uploads: new Map(),
  };
}

export function value<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(result.diagnostics.map(({ summary }) => summary).join('; '));
  return result.value;
}

async function written(writing: Promise<Result<Written>>): Promise<HostSnapshot> {
  const { results, snapshot } = value(await writing);
  const bad = results.filter(({ status }) => status !== 'same' && status !== 'changed');
  if (bad.length > 0) throw new Error(bad.map(({ id, message }) => `${id}: ${message ?? ''}`).join('; '));
  return value(snapshot);
}

function proven(snapshot: HostSnapshot, guests: number): void {
  for (const name of guestNames(guests)) {
    const layers = snapshot.evidence.get(name)?.layers ?? [];
    const bad = notAsExpected(layers);
    if (layers.length === 0 || bad.length > 0) {
      throw new Error(
        `${name} is not isolated: ${bad.map(({ layer, observed }) => `${layer} ${observed}`).join('; ')}`,
      );
    }
  }
}

/** What the events tell of where the time went. A collective step's members all report the same time. */
function phasesOf(
  events: readonly ExecutorEvent[],
  [planning, writing]: readonly [number, number],
): ReadonlyMap<string, number> {
  const phases = new Map<string, number>();
  const add = (name: string, milliseconds: number) =>
    phases.set(name, (phases.get(name) ?? 0) + milliseconds);
  const together = new Set(['start', 'stop', 'collect', 'reload']);
  let connect = 0;
  let steps = 0;
  for (const event of events) {
    if (event.type === 'connected') {
      connect += event.milliseconds;
      add('connect', event.milliseconds);
    }
    if (event.type === 'batch-finished' && event.kind === 'read') add('look', event.milliseconds - connect);
  }
  add('plan', planning);
  for (const event of events) {
    if (event.type !== 'operation-finished') continue;
    const { id, milliseconds } = event.result;
    const step = `${event.address.kind}: ${id.slice(id.lastIndexOf(': ') + 2)}`;
    if (event.address.kind === 'guest' && together.has(step.slice(7)) && phases.has(step)) continue;
    add(step, milliseconds);
    steps += milliseconds;
  }
  add('evidence, transfer', writing - steps);
  return phases;
}
