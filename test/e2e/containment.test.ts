import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { HostWish } from '../../provider/engine/plan.ts';
import { isolationProblems } from '../../provider/engine/verify.ts';
import { stderrLogMaxKib } from '../../provider/jail/logger.ts';
import { guestPlaces } from '../../provider/jail/places.ts';
import { guestUnit } from '../../provider/model/paths.ts';
import { sh, word } from '../../provider/model/shell.ts';
import { guestStop } from '../../provider/resources/guest/operations.ts';
import { hostileBinary, hostileReport, placeHostileModel, processesOf } from '../lab/hostile/hostile.ts';
import { compareSnapshots, type HostSnapshot, snapshotHost } from '../lab/snapshot.ts';
import { useLab } from '../lab/vitest.ts';
import { Core, deviceModelOf, faultsOf, pending, placeKernels } from './core.fixture.ts';
import { ends, value } from './preparation.fixture.ts';

/** Of no other test: the kernel counts the processes of a uid over all hosts of this machine. */
const uidBase = 1_700_000_000;
/** What the launcher allows a guest of one processor. */
const processLimit = 81;
const bounds = { seconds: 60, processes: 160, memoryMib: 192 };

/** What we keep on a host for as long as a fleet is there: who had the lock, the last lease, uids that rest, what a QEMU can do. */
const bookkeeping =
  /"\/(run\/stockade\/lock|var\/lib\/stockade\/(leases\/last|leases\/quarantine(\/\d+)?|capabilities\/[-.0-9a-z]+))" (file|directory)/;

const lab = useLab({ hosts: 1, name: 'containment' });
let neighbours: Core;
let attacker: Core;
let blank: HostSnapshot;
let before: HostSnapshot;
let untouched: readonly number[];
beforeAll(async () => {
  placeKernels(lab.host);
  placeHostileModel(lab.host, bounds);
  blank = await snapshotHost(lab.host);
  neighbours = new Core(lab.host, 'neighbours');
  attacker = new Core(lab.host, 'attacker');
  const { snapshot } = await neighbours.converge(quietWish());
  untouched = ['web1', 'web2'].map((name) => deviceModelOf(snapshot, name));
  before = await snapshotHost(lab.host);
});
afterAll(() => Promise.all([neighbours.link.close(), attacker.link.close()]));

const withUsers = (wish: HostWish): HostWish => ({
  ...wish,
  users: wish.users.map((users) => ({ ...users, uidBase })),
});
const quietWish = () => withUsers(neighbours.wish(['web1', 'web2'].map((name) => neighbours.guest(name))));
const hostileWish = (): HostWish => {
  const wish = withUsers(attacker.wish([attacker.guest('evil', { shutdownTimeoutSeconds: 2 })]));
  return { ...wish, host: { ...wish.host, qemuBinary: hostileBinary } };
};

/** Starts it as Apply does, but does not judge it; returns the uid it runs as. */
async function unleash(): Promise<number> {
  const { results, snapshot } = await attacker.apply(hostileWish());
  expect(ends(results).filter((end) => !/^(same|changed) /.test(end))).toEqual([]);
  return snapshot.guests.get('evil')?.lease?.uid ?? 0;
}

/** A new login on the host finds the neighbours as they were, and nothing to do for them. */
async function neighboursAreWell(): Promise<void> {
  const visitor = new Core(lab.host, 'neighbours');
  try {
    const seen = await visitor.see([hostileBinary]);
    expect(faultsOf(seen, quietWish())).toEqual({});
    expect(pending(quietWish(), seen)).toEqual([]);
    expect(['web1', 'web2'].map((name) => deviceModelOf(seen, name))).toEqual(untouched);
  } finally {
    await visitor.link.close();
  }
}

/** Watches until it has said how far it came; the most processes that were seen meanwhile. */
async function watch(uid: number): Promise<{ most: number; report: Readonly<Record<string, string>> }> {
  const log = lab.host.pathFromHere(`${guestPlaces('evil').logDirectory}/serial.0`);
  const report = () => (existsSync(log) ? hostileReport(attacker.serialLog('evil')) : {});
  const words = ['files', 'killed', 'memory', 'open', 'said', 'through'];
  const done = () => words.every((word) => word in report());
  let most = 0;
  for (let looks = 0; looks < 150 && !done(); looks++) {
    most = Math.max(most, await processesOf(lab.host, uid));
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  expect(Object.keys(report())).toEqual(expect.arrayContaining(words));
  return { most, report: report() };
}

/** Bytes of a log on the host's disk. */
function logged(log: 'serial' | 'stderr'): number {
  const { logDirectory } = guestPlaces('evil');
  return [0, 1]
    .map((segment) => statSync(lab.host.pathFromHere(`${logDirectory}/${log}.${segment}`)).size)
    .reduce((sum, size) => sum + size);
}

async function nothingIsLeft(uid: number): Promise<void> {
  const removed = await attacker.leave(['evil']);
  expect(ends(removed).filter((end) => !/^(same|changed) /.test(end))).toEqual([]);
  expect(await processesOf(lab.host, uid)).toBe(0);
  await neighboursAreWell();
  const changes = compareSnapshots(before, await snapshotHost(lab.host));
  expect(changes.filter((line) => !bookkeeping.test(line))).toEqual([]);
}

describe('a device model that does its worst', () => {
  it('is not taken for QEMU: its guest is stopped, and nothing of it runs on', async () => {
    const uid = await unleash();
    const seen = await attacker.see([hostileBinary]);
    const problems = isolationProblems('evil', seen);
    expect(problems.map(({ summary }) => summary)).toContain('guest evil on h1: seccomp is ineffective');
    const generation = seen.guests.get('evil')?.generation ?? 0;
    const stopped = await attacker.write(guestStop({ host: 'h1', name: 'evil' }, 'attacker', generation));
    expect(ends(stopped.results).filter((end) => !/^(same|changed) /.test(end))).toEqual([]);
    expect(stopped.snapshot.evidence.get('evil')?.running).toBe(false);
    expect(await processesOf(lab.host, uid)).toBe(0);
    await nothingIsLeft(uid);
  });

  it('gets nowhere while it runs: host and neighbours stay up, and its end leaves nothing', async () => {
    const uid = await unleash();
    await neighboursAreWell();
    const { most, report } = await watch(uid);
    await neighboursAreWell();
    expect(report).toMatchObject({ killed: '0', traced: '0', seen: '0', files: '0', through: 'none' });
    expect(report['memfd']).toBe('262144');
    expect(Number(report['open'])).toBeLessThanOrEqual(2048);
    expect(Number(report['refused'])).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(processLimit);
    // it did try: it stood at the limit, and said more than its logs may hold
    expect(most).toBeGreaterThan(processLimit - 20);
    expect(Number(report['said'])).toBeGreaterThan(0);
    expect(logged('serial')).toBeLessThanOrEqual(64 * 1024);
    expect(logged('stderr')).toBeLessThanOrEqual(stderrLogMaxKib * 1024);
    await nothingIsLeft(uid);
  });

  it('gets further where the launcher leaves out limits and process namespace', async () => {
    const { operations } = value(await attacker.plan(hostileWish()));
    const { snapshot } = await attacker.write(operations.filter(({ id }) => !id.endsWith(': start')));
    const uid = snapshot.guests.get('evil')?.lease?.uid ?? 0;
    const launcher = lab.host.pathFromHere(guestPlaces('evil').launcher);
    const script = readFileSync(launcher, 'utf8');
    const pieces = [/ \$\{own_user:\+--nproc=\d+\}/, / --fsize=262144/, /(?<=unshare) --pid(?= --fork)/];
    const weaker = pieces.reduce((rest, piece) => {
      expect(rest).toMatch(piece);
      return rest.replace(piece, '');
    }, script);
    writeFileSync(launcher, weaker);
    await lab.host.run(sh`systemctl start ${word(guestUnit('evil'))}`);
    const { most, report } = await watch(uid);
    expect(most).toBeGreaterThan(processLimit);
    expect(Number(report['seen'])).toBeGreaterThan(0);
    expect(Number(report['memfd'])).toBeGreaterThan(262144);
    // the user alone still stands in its way
    expect(report).toMatchObject({ killed: '0', traced: '0', through: 'none' });
    await nothingIsLeft(uid);
  });

  it('has left nothing anywhere when its neighbours go too', async () => {
    const removed = await neighbours.leave(['web1', 'web2']);
    expect(ends(removed).filter((end) => !/^(same|changed) /.test(end))).toEqual([]);
    expect(compareSnapshots(blank, await snapshotHost(lab.host))).toEqual([]);
  });
});
