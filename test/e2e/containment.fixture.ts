import { expect } from 'vitest';
import type { HostWish } from '../../provider/engine/plan.ts';
import { stderrLogMaxKib } from '../../provider/jail/logger.ts';
import { guestPlaces } from '../../provider/jail/places.ts';
import { guestUnit } from '../../provider/model/paths.ts';
import { sh, word } from '../../provider/model/shell.ts';
import type { GuestDesired } from '../../provider/resources/guest/desired.ts';
import { containerStates, type LayerStates } from '../container-host.ts';
import { standstillKernel } from '../lab/guest/standstill.ts';
import {
  type HostileBounds,
  hostileBinary,
  hostileReport,
  placeHostileModel,
  processesOf,
} from '../lab/hostile/hostile.ts';
import { compareSnapshots, type HostSnapshot } from '../lab/snapshot.ts';
import type { TestHost } from '../lab/test-host.ts';
import { Core, deviceModelOf, faultsOf, pending, stillKernel } from './core.fixture.ts';
import { ends, value } from './preparation.fixture.ts';

/** What the launcher lets a guest of one processor have. */
export const processLimit = 81;

/** What we keep on a host for as long as a fleet is there: who had the lock, the last lease, uids that rest, what a QEMU can do. */
const bookkeeping =
  /"\/(run\/stockade\/lock|var\/lib\/stockade\/(leases\/last|leases\/quarantine(\/\d+)?|capabilities\/[-.0-9a-z]+))" (file|directory)/;
/** What the program says when it has tried everything. */
const lastWords = ['files', 'killed', 'memory', 'open', 'said', 'through'];

export interface SiegeOptions {
  readonly host: TestHost;
  readonly bounds: HostileBounds;
  /** Of no other test: the kernel counts the processes of a uid over all hosts of this machine. */
  readonly uidBase: number;
  readonly snapshot: () => Promise<HostSnapshot>;
  /** The layers of a guest in order on this host. @default a container host's */
  readonly states?: LayerStates;
  /** What the neighbours, and what `evil` are beside plain. */
  readonly neighbour?: Partial<GuestDesired>;
  readonly evil?: Partial<GuestDesired>;
}

/** What was seen of a device model that does its worst. */
export interface Sighting {
  /** The most processes it had at a time. */
  readonly most: number;
  /** How far it came, by its own words. */
  readonly report: Readonly<Record<string, string>>;
}

/** A host with two quiet guests, `web1` and `web2`, beside which another fleet's guest `evil` has a device model that does its worst. */
export class Siege {
  readonly attacker: Core;
  readonly neighbours: Core;
  readonly #options: SiegeOptions;
  readonly #blank: HostSnapshot;
  #before: HostSnapshot;
  #untouched: readonly number[] = [];

  private constructor(options: SiegeOptions, blank: HostSnapshot) {
    this.#options = options;
    this.attacker = new Core(options.host, 'attacker', options.states);
    this.neighbours = new Core(options.host, 'neighbours', options.states);
    this.#blank = blank;
    this.#before = blank;
  }

  /** Prepares the host and starts the neighbours. */
  static async lay(options: SiegeOptions): Promise<Siege> {
    const { host, bounds } = options;
    await host.write(stillKernel, standstillKernel());
    await placeHostileModel(host, bounds);
    const siege = new Siege(options, await options.snapshot());
    const { snapshot } = await siege.neighbours.converge(siege.#quietWish());
    siege.#untouched = ['web1', 'web2'].map((name) => deviceModelOf(snapshot, name));
    siege.#before = await options.snapshot();
    return siege;
  }

  close(): Promise<unknown> {
    return Promise.all([this.neighbours.link.close(), this.attacker.link.close()]);
  }

  #withUsers(wish: HostWish): HostWish {
    const { uidBase } = this.#options;
    return { ...wish, users: wish.users.map((users) => ({ ...users, uidBase })) };
  }

  #quietWish(): HostWish {
    const { neighbours } = this;
    const guests = ['web1', 'web2'].map((name) => neighbours.guest(name, this.#options.neighbour));
    return this.#withUsers(neighbours.wish(guests));
  }

  hostileWish(): HostWish {
    const { attacker } = this;
    const guest = attacker.guest('evil', { shutdownTimeoutSeconds: 2, ...this.#options.evil });
    const wish = this.#withUsers(attacker.wish([guest]));
    return { ...wish, host: { ...wish.host, qemuBinary: hostileBinary } };
  }

  /** Starts it as Apply does, but does not judge it; returns the uid it runs as. */
  async unleash(): Promise<number> {
    const { results, snapshot } = await this.attacker.apply(this.hostileWish());
    expectAllWell(results);
    return snapshot.guests.get('evil')?.lease?.uid ?? 0;
  }

  /** The same with a launcher that has lost these pieces. */
  async unleashWithout(pieces: readonly RegExp[]): Promise<number> {
    const { host } = this.#options;
    const { operations } = value(await this.attacker.plan(this.hostileWish()));
    const { results, snapshot } = await this.attacker.write(
      operations.filter(({ id }) => !id.endsWith(': start')),
    );
    expectAllWell(results);
    const { launcher } = guestPlaces('evil');
    const script = (await host.read(launcher)).toString('utf8');
    const weaker = pieces.reduce((rest, piece) => {
      expect(rest).toMatch(piece);
      return rest.replace(piece, '');
    }, script);
    await host.write(launcher, weaker, 0o700);
    await host.run(sh`systemctl start ${word(guestUnit('evil'))}`);
    return snapshot.guests.get('evil')?.lease?.uid ?? 0;
  }

  /** A new login on the host finds the neighbours as they were, and nothing to do for them. */
  async neighboursAreWell(): Promise<void> {
    const { host, states = containerStates } = this.#options;
    const visitor = new Core(host, 'neighbours');
    try {
      const seen = await visitor.see([hostileBinary]);
      expect(faultsOf(seen, this.#quietWish(), states)).toEqual({});
      expect(pending(this.#quietWish(), seen)).toEqual([]);
      expect(['web1', 'web2'].map((name) => deviceModelOf(seen, name))).toEqual(this.#untouched);
    } finally {
      await visitor.link.close();
    }
  }

  /** Watches until it has said how far it came, or has ended. */
  async watch(uid: number): Promise<Sighting> {
    let most = 0;
    let report: Sighting['report'] = {};
    for (let looks = 0; looks < 150 && !lastWords.every((each) => each in report); looks++) {
      most = Math.max(most, await processesOf(this.#options.host, uid));
      await new Promise((resolve) => setTimeout(resolve, 200));
      // no log is there before its loggers are
      report = hostileReport(await this.attacker.serialLog('evil').catch(() => Buffer.alloc(0)));
    }
    expect(Object.keys(report)).toEqual(expect.arrayContaining(lastWords));
    return { most, report };
  }

  /** Its logs take no more of the host's disk than they may. */
  async logsAreBounded(): Promise<void> {
    expect(await this.#logged('serial')).toBeLessThanOrEqual(64 * 1024);
    expect(await this.#logged('stderr')).toBeLessThanOrEqual(stderrLogMaxKib * 1024);
  }

  async #logged(log: 'serial' | 'stderr'): Promise<number> {
    const { logDirectory } = guestPlaces('evil');
    const segments = [0, 1].map((segment) => `${logDirectory}/${log}.${segment}`);
    const sizes = await this.#options.host.run(['stat', '--format=%s', ...segments]);
    return sizes
      .trim()
      .split('\n')
      .reduce((sum, size) => sum + Number(size), 0);
  }

  /** Takes it away; then the host is as it was before it came. */
  async endsWithoutTrace(uid: number): Promise<void> {
    expectAllWell(await this.attacker.leave(['evil']));
    expect(await processesOf(this.#options.host, uid)).toBe(0);
    await this.neighboursAreWell();
    const changes = compareSnapshots(this.#before, await this.#options.snapshot());
    expect(changes.filter((line) => !bookkeeping.test(line))).toEqual([]);
  }

  /** Takes the neighbours away too; then the host is as it was before anybody came. */
  async lift(): Promise<void> {
    expectAllWell(await this.neighbours.leave(['web1', 'web2']));
    expect(compareSnapshots(this.#blank, await this.#options.snapshot())).toEqual([]);
  }
}

export function expectAllWell(results: Parameters<typeof ends>[0]): void {
  expect(ends(results).filter((end) => !/^(same|changed) /.test(end))).toEqual([]);
}
