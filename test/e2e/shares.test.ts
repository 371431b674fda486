import { afterAll, beforeAll, describe, it } from 'vitest';
import { departures } from '../lab/guest/share-report.ts';
import { readOnlySteps, roundtripSteps } from '../lab/guest/share-steps.ts';
import { type Suite, suites } from '../lab/recipe.ts';
import { compareSnapshots, type HostSnapshot, snapshotHost } from '../lab/snapshot.ts';
import { useLab } from '../lab/vitest.ts';
import { Core } from './core.fixture.ts';
import { placeShareGuest } from './share-guest.fixture.ts';
import {
  closedDirectory,
  type Driver,
  failing,
  journal,
  makeSources,
  readOnlyFailing,
  runShareGuest,
  shareGuest,
  shareOf,
} from './shares.fixture.ts';

/** Each once at full size: ten thousand files take a minute of an emulated processor. shares-options.test.ts has all of both, small. */
const drivers = {
  bookworm: ['proxy', 'virtiofs'],
  trixie: ['virtiofs', 'local'],
} as const satisfies Record<Suite, readonly Driver[]>;

describe.concurrent.each(suites)('shares of guests on %s', (suite) => {
  const lab = useLab({ hosts: 1, name: `shares-${suite}`, suite });
  let core: Core;
  let blank: HostSnapshot;
  beforeAll(async () => {
    await placeShareGuest(lab.host);
    await makeSources(lab.host, []);
    blank = await snapshotHost(lab.host);
    core = new Core(lab.host);
  });
  afterAll(() => core.link.close());

  it('are all that a file system is, at full size, and read-only is read-only', async ({ expect }) => {
    const shares = drivers[suite].flatMap((driver) => [
      shareOf(`w-${driver}`, { driver }),
      shareOf(`r-${driver}`, { driver, readonly: true }),
    ]);
    await makeSources(lab.host, shares);
    const { host } = lab;
    const task = 'task=roundtrip at_once=1 files=10000 big_mib=256';
    const report = await runShareGuest(host, core, shareGuest(core, 'web1', shares, task));
    expect([
      report.problem,
      report.problem === ''
        ? ''
        : (await core.serialLog('web1')).toString('latin1').slice(-600) + (await journal(host)),
    ]).toEqual(['', '']);
    for (const { tag, readonly, driver } of shares) {
      const [steps, known] = readonly
        ? [readOnlySteps, readOnlyFailing[driver as Driver]]
        : [roundtripSteps, failing[suite][driver as Driver]];
      expect.soft([tag, departures(report, tag, steps, known)]).toEqual([tag, []]);
    }
    await core.leave(['web1']);
    await host.run(['rm', '-rf', closedDirectory]);
    await makeSources(host, []);
    expect(compareSnapshots(blank, await snapshotHost(host))).toEqual([]);
  }, 1_600_000);
});
