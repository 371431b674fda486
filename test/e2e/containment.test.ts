import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isolationProblems } from '../../provider/engine/verify.ts';
import { guestStop } from '../../provider/resources/guest/operations.ts';
import { hostileBinary, processesOf } from '../lab/hostile/hostile.ts';
import { snapshotHost } from '../lab/snapshot.ts';
import { useLab } from '../lab/vitest.ts';
import { expectAllWell, processLimit, Siege } from './containment.fixture.ts';

const lab = useLab({ hosts: 1, name: 'containment' });
let siege: Siege;
beforeAll(async () => {
  siege = await Siege.lay({
    host: lab.host,
    bounds: { seconds: 60, processes: 160, memoryMib: 192 },
    uidBase: 1_700_000_000,
    snapshot: () => snapshotHost(lab.host),
  });
});
afterAll(() => siege.close());

describe('a device model that does its worst', () => {
  it('is not taken for QEMU: its guest is stopped, and nothing of it runs on', async () => {
    const uid = await siege.unleash();
    const seen = await siege.attacker.see([hostileBinary]);
    const problems = isolationProblems('evil', seen);
    expect(problems.map(({ summary }) => summary)).toContain('guest evil on h1: seccomp is ineffective');
    const generation = seen.guests.get('evil')?.generation ?? 0;
    const stop = guestStop({ host: 'h1', name: 'evil' }, 'attacker', generation);
    const stopped = await siege.attacker.write(stop);
    expectAllWell(stopped.results);
    expect(stopped.snapshot.evidence.get('evil')?.running).toBe(false);
    expect(await processesOf(lab.host, uid)).toBe(0);
    await siege.endsWithoutTrace(uid);
  });

  it('gets nowhere while it runs: host and neighbours stay up, and its end leaves nothing', async () => {
    const uid = await siege.unleash();
    await siege.neighboursAreWell();
    const { most, report } = await siege.watch(uid);
    await siege.neighboursAreWell();
    expect(report).toMatchObject({ killed: '0', traced: '0', seen: '0', files: '0', through: 'none' });
    expect(report['memfd']).toBe('262144');
    expect(Number(report['open'])).toBeLessThanOrEqual(2048);
    expect(Number(report['refused'])).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(processLimit);
    // it did try: it stood at the limit, and said more than its logs may hold
    expect(most).toBeGreaterThan(processLimit - 20);
    expect(Number(report['said'])).toBeGreaterThan(0);
    await siege.logsAreBounded();
    await siege.endsWithoutTrace(uid);
  });

  it('gets further where the launcher leaves out limits and process namespace', async () => {
    const uid = await siege.unleashWithout([
      / \$\{own_user:\+--nproc=\d+\}/,
      / --fsize=262144/,
      /(?<=unshare) --pid(?= --fork)/,
    ]);
    const { most, report } = await siege.watch(uid);
    expect(most).toBeGreaterThan(processLimit);
    expect(Number(report['seen'])).toBeGreaterThan(0);
    expect(Number(report['memfd'])).toBeGreaterThan(262144);
    // the user alone still stands in its way
    expect(report).toMatchObject({ killed: '0', traced: '0', through: 'none' });
    await siege.endsWithoutTrace(uid);
  });

  it('has left nothing anywhere when its neighbours go too', async () => {
    await siege.lift();
  });
});
