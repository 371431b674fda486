import { beforeAll, describe, expect, test } from 'vitest';
import { sh } from '../../provider/model/shell.ts';
import { departures, escapeCounts } from '../lab/guest/share-report.ts';
import { readOnlySteps, roundtripSteps } from '../lab/guest/share-steps.ts';
import { suites } from '../lab/recipe.ts';
import { useLab } from '../lab/vitest.ts';
import { escapeTask, everyWay, outside, placeCanary, startSwapper } from './share-canary.fixture.ts';
import {
  makeExports,
  placeShareGuest,
  type PlainDriver,
  type PlainShare,
  runShareGuest,
} from './share-guest.fixture.ts';

/** Steps of a round trip that fail with QEMU as the release has it, and how: with no isolation at all. */
const failing = {
  bookworm: {
    'mapped-xattr': {},
    'mapped-file': {},
    // After the fix of CVE-2023-2861 QEMU 7.2 makes the node and then cannot change its mode: it may not open it any more.
    none: { fifo: 'ENXIO', socket: 'ENXIO', 'char-device': 'ENXIO', 'block-device': 'ENXIO' },
    // The helper keeps but CAP_DAC_OVERRIDE effective after the first file that the guest's root makes.
    proxy: { chown: 'EPERM', 'chown-symlink': 'EPERM', 'char-device': 'EPERM', 'block-device': 'EPERM' },
    virtiofs: {},
  },
  trixie: { 'mapped-xattr': {}, 'mapped-file': {}, none: {}, virtiofs: {} },
} as const satisfies Record<string, Partial<Record<PlainDriver, Readonly<Record<string, string>>>>>;

/** A symbolic link that the host made is none of a mapped model: there it would be a file. */
const unreadableLink = { readlink: 'ELOOP' };
const readOnlyFailing: Partial<Record<PlainDriver, Readonly<Record<string, string>>>> = {
  'mapped-xattr': unreadableLink,
  'mapped-file': unreadableLink,
};

const sourcesOf = (shares: readonly PlainShare[]) => shares.map(({ tag }) => `/srv/export/${tag}`);

describe.each(suites)('the share guest and plain QEMU of Debian %s', (suite) => {
  const running = useLab({ hosts: 1, name: `shares-${suite}`, suite });
  const expected: Partial<Record<PlainDriver, Readonly<Record<string, string>>>> = failing[suite];
  const drivers = Object.keys(expected) as PlainDriver[];

  beforeAll(() => placeShareGuest(running.host));

  test('every driver serves a round trip, and read-only is read-only', async () => {
    const writable = drivers.map((driver): PlainShare => ({ tag: `w-${driver}`, driver }));
    const readonly = drivers.map((driver): PlainShare => ({ tag: `r-${driver}`, driver, readonly: true }));
    const shares = [...writable, ...readonly];
    makeExports(running.host, shares);
    const report = await runShareGuest(running.host, shares, 'task=roundtrip files=100 big_mib=2');
    for (const { tag, driver } of writable) {
      expect([tag, departures(report, tag, roundtripSteps, expected[driver])]).toEqual([tag, []]);
    }
    for (const { tag, driver } of readonly) {
      expect([tag, departures(report, tag, readOnlySteps, readOnlyFailing[driver])]).toEqual([tag, []]);
    }
  });

  test('a hostile guest tries every way out, and finds none', async () => {
    const { host } = running;
    const tried = suite === 'bookworm' ? drivers : (['mapped-xattr', 'virtiofs'] as const);
    const shares = tried.map((driver): PlainShare => ({ tag: `e-${driver}`, driver }));
    makeExports(host, shares);
    placeCanary(host, sourcesOf(shares));
    const before = outside(host);
    const swapsUntilNow = await startSwapper(host, sourcesOf(shares));
    const report = await runShareGuest(host, shares, escapeTask(1, 500));
    const swaps = await swapsUntilNow();
    expect([swaps.length, swaps.filter((count) => count < 20)]).toEqual([shares.length, []]);
    for (const { tag } of shares) {
      expect([tag, departures(report, tag, everyWay)]).toEqual([tag, []]);
      const counts = escapeCounts(report, tag);
      expect(counts.map(({ step }) => step)).toEqual(everyWay.slice(1, -1));
      expect([tag, counts.filter(({ tries, hits }) => tries === 0 || hits > 0)]).toEqual([tag, []]);
    }
    expect(outside(host)).toBe(before);
  });
});

describe('a way out that there is', () => {
  const running = useLab({ hosts: 1, name: 'shares-open' });

  beforeAll(() => placeShareGuest(running.host));

  // The control: what is swapped in is the canary's own directory, mounted, and not a link to it.
  test('is counted as a hit', async () => {
    const { host } = running;
    const share: PlainShare = { tag: 'open', driver: 'virtiofs' };
    makeExports(host, [share]);
    placeCanary(host, sourcesOf([share]));
    await host.run(sh`mkdir -p /srv/export/open/race-host/swap
mount --bind /srv/outside /srv/export/open/race-host/swap`);
    const before = outside(host);
    const report = await runShareGuest(host, [share], escapeTask(1));
    const race = escapeCounts(report, 'open').find(({ step }) => step === 'escape-race-host');
    expect(race?.hits).toBeGreaterThan(0);
    expect(departures(report, 'open', everyWay).map(({ step }) => step)).toEqual(['escape-race-host']);
    expect(outside(host)).not.toBe(before);
  });
});
