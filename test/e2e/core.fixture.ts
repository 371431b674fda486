import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { expect } from 'vitest';
import type { SshTarget } from '../../provider/connect/target.ts';
import { type HostPlan, type HostWish, planHost, wishedSources } from '../../provider/engine/plan.ts';
import type { HostSnapshot } from '../../provider/engine/snapshot.ts';
import { Fleet } from '../../provider/executor/fleet.ts';
import type { ExecutorEvent } from '../../provider/executor/events.ts';
import { guestPlaces } from '../../provider/jail/places.ts';
import type { Change } from '../../provider/model/change.ts';
import type { Result } from '../../provider/model/diagnostic.ts';
import type { GuestEvidence } from '../../provider/model/evidence.ts';
import type { OperationResult, Upload } from '../../provider/model/operation.ts';
import { guestUnit } from '../../provider/model/paths.ts';
import { sh, word } from '../../provider/model/shell.ts';
import type { Toolstack } from '../../provider/model/toolstack.ts';
import type { UserScheme } from '../../provider/spec/qemu-users.ts';
import { type GuestDesired, plainGuest } from '../../provider/resources/guest/desired.ts';
import { guestRemoval } from '../../provider/resources/guest/operations.ts';
import { hostRemoval } from '../../provider/resources/host/operations.ts';
import { qemuUsersRemoval } from '../../provider/resources/qemu-users/operations.ts';
import { standstillKernel } from '../lab/guest/standstill.ts';
import type { LabHost } from '../lab/lab.ts';
import type { TestHost } from '../lab/test-host.ts';
import { ends, value } from './preparation.fixture.ts';
import { containerStates, type LayerStates, notAsExpected } from '../container-host.ts';

/** Where a kernel lies on the test hosts whose processor stands still. */
export const stillKernel = '/srv/kernels/still';

export function placeKernels(host: LabHost, more: Readonly<Record<string, string>> = {}): void {
  mkdirSync(host.pathFromHere(dirname(stillKernel)), { recursive: true });
  writeFileSync(host.pathFromHere(stillKernel), standstillKernel());
  for (const [path, file] of Object.entries(more)) host.copyIn(file, path);
}

export function uploadOf(content: Buffer): Upload {
  return {
    bytes: content.length,
    sha256: createHash('sha256').update(content).digest('hex'),
    async *open() {
      yield await Promise.resolve(content);
    },
  };
}

export interface Applied {
  readonly changes: readonly Change[];
  readonly results: readonly OperationResult[];
  /** As the write itself left it. */
  readonly snapshot: HostSnapshot;
}

/** One fleet's work on one test host by the core alone: observe, plan, write. */
export class Core {
  readonly fleet: string;
  readonly target: SshTarget;
  readonly link: Fleet;
  readonly events: ExecutorEvent[] = [];
  readonly #host: TestHost;
  readonly #states: LayerStates;
  readonly #toolstack: Toolstack;
  readonly #scheme: UserScheme;

  /** `states`: those of a guest in order on this host. */
  constructor(
    host: TestHost,
    fleet = 'first',
    states: LayerStates = containerStates,
    toolstack: Toolstack = 'qemu',
    scheme: UserScheme = 'per-domain',
  ) {
    this.#toolstack = toolstack;
    this.#scheme = scheme;
    this.fleet = fleet;
    this.#states = states;
    this.#host = host;
    this.target = {
      connection: 'ssh2',
      host: host.name,
      address: host.address,
      port: host.port,
      user: host.user,
      trust: { kind: 'pinned', publicKeys: host.hostPublicKeys },
      identities: [{ kind: 'key-file', path: host.keyFile }],
      sudo: false,
      connectTimeoutSeconds: 30,
    };
    this.link = new Fleet({ holder: `fleet ${fleet}`, sink: (event) => this.events.push(event) });
  }

  guest(name: string, change: Partial<GuestDesired> = {}): GuestDesired {
    return {
      host: this.#host.name,
      name,
      fleet: this.fleet,
      scheme: this.#scheme,
      memoryMib: 64,
      vcpus: 1,
      machine: 'q35',
      accelerator: 'tcg',
      kernel: { kind: 'host', path: stillKernel },
      initrd: undefined,
      commandLine: 'console=ttyS0',
      ...plainGuest,
      serialLogMaxKib: 64,
      restartPolicy: 'never',
      shutdownTimeoutSeconds: 0,
      ...change,
    };
  }

  wish(guests: readonly GuestDesired[], uploads: readonly Upload[] = []): HostWish {
    const { name } = this.#host;
    return {
      host: { host: name, fleet: this.fleet, qemuBinary: undefined, toolstack: this.#toolstack },
      users: [
        {
          host: name,
          fleet: this.fleet,
          scheme: this.#scheme,
          firstDomid: 1,
          lastDomid: 64,
          uidBase: undefined,
        },
      ],
      guests,
      uploads: new Map(uploads.map((upload) => [upload.sha256, upload])),
    };
  }

  /** The host as it is now. */
  async see(binaries: readonly string[] = [], sources: readonly string[] = []): Promise<HostSnapshot> {
    this.link.forget(this.#host.name);
    return value(await this.link.observe(this.target, binaries, sources));
  }

  async plan(wish: HostWish): Promise<Result<HostPlan>> {
    const { qemuBinary } = wish.host;
    const binaries = qemuBinary === undefined ? [] : [qemuBinary];
    return planHost(wish, await this.see(binaries, wishedSources(wish)));
  }

  async write(operations: HostPlan['operations']): Promise<Omit<Applied, 'changes'>> {
    const { results, snapshot } = value(await this.link.write(this.target, operations));
    return { results, snapshot: value(snapshot) };
  }

  /** Looks, plans and writes, whatever comes of it. */
  async apply(wish: HostWish): Promise<Applied> {
    const { changes, operations } = value(await this.plan(wish));
    return { changes, ...(await this.write(operations)) };
  }

  /** Applies and expects it to go well, with every guest isolated and nothing left to do. */
  async converge(wish: HostWish): Promise<Applied> {
    const applied = await this.apply(wish);
    expect(ends(applied.results).filter((end) => !/^(same|changed) /.test(end))).toEqual([]);
    expect(faultsOf(applied.snapshot, wish, this.#states)).toEqual({});
    expect(pending(wish, applied.snapshot)).toEqual([]);
    return applied;
  }

  /** Takes the guests away, and nothing that others need. */
  async remove(guests: readonly string[]): Promise<readonly OperationResult[]> {
    const host = this.#host.name;
    const operations = guests.flatMap((name) => guestRemoval({ host, name }, this.fleet, 'any'));
    return value(await this.link.write(this.target, operations)).results;
  }

  /** Takes the guests away, all that the fleet has there, then its users and its part of the host. */
  async leave(guests: readonly string[]): Promise<readonly OperationResult[]> {
    const host = this.#host.name;
    const results = [...(await this.remove(guests))];
    for (const operations of [
      qemuUsersRemoval({ host, scheme: this.#scheme }, this.fleet, 'any'),
      hostRemoval({ host }, this.fleet, 'any'),
    ]) {
      results.push(...value(await this.link.write(this.target, operations)).results);
    }
    return results;
  }

  /** Looks again and again until what is seen will do; after a minute the last look is what it is. */
  async until(enough: (snapshot: HostSnapshot) => boolean | Promise<boolean>): Promise<HostSnapshot> {
    let snapshot = await this.see();
    for (let left = 120; left > 0 && !(await enough(snapshot)); left--) {
      await new Promise((resolve) => setTimeout(resolve, 500));
      snapshot = await this.see();
    }
    return snapshot;
  }

  /** What a guest printed on its serial console, as it is in the log. */
  async serialLog(guest: string): Promise<Buffer> {
    const files = ['serial.0', 'serial.1'].map((name) => `${guestPlaces(guest).logDirectory}/${name}`);
    return Buffer.concat(await Promise.all(files.map((file) => this.#host.read(file))));
  }

  async unitProperty(guest: string, property: string): Promise<string> {
    const unit = word(guestUnit(guest));
    const shown = await this.#host.run(sh`systemctl show --value --property=${word(property)} -- ${unit}`);
    return shown.trim();
  }
}

/** What is still to be changed: `web1 restart integrity.process, memoryMib`. */
export function pending(wish: HostWish, snapshot: HostSnapshot): readonly string[] {
  return shown(value(planHost(wish, snapshot)).changes);
}

export function shown(changes: readonly Change[]): readonly string[] {
  return changes
    .filter(({ action }) => action !== 'noop')
    .map(({ address, action, reasons }) =>
      [address.name, action, reasons.map(({ path }) => path.join('.')).join(', ')].join(' ').trimEnd(),
    );
}

/** What is not as it should be, by guest; on a container host where nothing else is said. */
export function faultsOf(
  snapshot: HostSnapshot,
  { guests }: HostWish,
  states: LayerStates = containerStates,
): Readonly<Record<string, readonly string[]>> {
  const found = guests.map(({ name }) => [name, faults(snapshot.evidence.get(name), states)] as const);
  return Object.fromEntries(found.filter(([, list]) => list.length > 0));
}

export function faults(
  evidence: GuestEvidence | undefined,
  states: LayerStates = containerStates,
): readonly string[] {
  if (evidence === undefined || evidence.layers.length === 0) return ['no evidence'];
  return notAsExpected(evidence.layers, states).map(
    ({ layer, state, observed }) => `${layer} ${state}: ${observed}`,
  );
}

export function deviceModelOf(snapshot: HostSnapshot, guest: string): number {
  const process = snapshot.evidence.get(guest)?.processes.find(({ role }) => role === 'device-model');
  if (process === undefined) throw new Error(`no device model of ${guest} was seen`);
  return process.pid;
}
