import { mkdirSync, readFileSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { sh, words } from '../../provider/model/shell.ts';
import { departures, escapeCounts } from '../lab/guest/share-report.ts';
import { escapeSteps, readOnlySteps, roundtripSteps } from '../lab/guest/share-steps.ts';
import { swapProgram } from '../lab/guest/share-image.ts';
import type { LabHost } from '../lab/lab.ts';
import { suites } from '../lab/recipe.ts';
import { useLab } from '../lab/vitest.ts';
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

const everyWay = [...escapeSteps.slice(0, -1), 'escape-race-host', 'unmount'];
const canary = { path: '/srv/outside/canary', secret: 'nobody-inside-reads-this' };

/** What the host sees of everything beside the canary: content, owner, mode, time, names. */
function outside(host: LabHost): string {
  const directory = host.pathFromHere('/srv/outside');
  const facts = readdirSync(directory)
    .sort()
    .map((name) => {
      const { uid, gid, mode, mtimeMs, nlink } = statSync(`${directory}/${name}`);
      return [name, uid, gid, mode, mtimeMs, nlink, readFileSync(`${directory}/${name}`, 'utf8')];
    });
  return JSON.stringify(facts);
}

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
    placeCanary(host, shares);
    const before = outside(host);
    const swapper = await startSwapper(host, shares);
    const task = `task=escape canary=${canary.path} secret=${canary.secret} seconds=1 host_race=1`;
    const report = await runShareGuest(host, shares, task);
    await host.run(['kill', swapper]); // it has not ended by itself
    for (const { tag } of shares) {
      expect([tag, departures(report, tag, everyWay)]).toEqual([tag, []]);
      const counts = escapeCounts(report, tag);
      expect(counts.map(({ step }) => step)).toEqual(everyWay.slice(1, -1));
      expect([tag, counts.filter(({ tries, hits }) => tries === 0 || hits > 0)]).toEqual([tag, []]);
    }
    expect(outside(host)).toBe(before);
  });

  test('a microvm has its shares on virtio-mmio', async () => {
    const shares: readonly PlainShare[] = [
      { tag: 'm-9p', driver: 'mapped-xattr' },
      { tag: 'm-virtiofs', driver: 'virtiofs' },
    ];
    makeExports(running.host, shares);
    const report = await runShareGuest(running.host, shares, 'task=roundtrip files=10 big_mib=1', 'microvm');
    for (const { tag } of shares) expect([tag, departures(report, tag, roundtripSteps)]).toEqual([tag, []]);
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
    placeCanary(host, [share]);
    await host.run(sh`mkdir -p /srv/export/open/race-host/swap
mount --bind /srv/outside /srv/export/open/race-host/swap`);
    const task = `task=escape canary=${canary.path} secret=${canary.secret} seconds=1 host_race=1`;
    const before = outside(host);
    const report = await runShareGuest(host, [share], task);
    const race = escapeCounts(report, 'open').find(({ step }) => step === 'escape-race-host');
    expect(race?.hits).toBeGreaterThan(0);
    expect(departures(report, 'open', everyWay).map(({ step }) => step)).toEqual(['escape-race-host']);
    expect(outside(host)).not.toBe(before);
  });
});

/** The canary, and links to it that the guest finds. */
function placeCanary(host: LabHost, shares: readonly PlainShare[]): void {
  mkdirSync(host.pathFromHere('/srv/outside'), { recursive: true });
  writeFileSync(host.pathFromHere(canary.path), canary.secret);
  for (const { tag } of shares) {
    const planted = host.pathFromHere(`/srv/export/${tag}/planted`);
    mkdirSync(planted, { recursive: true });
    for (const [name, target] of Object.entries({
      absolute: canary.path,
      relative: `../../../outside/${basename(canary.path)}`,
      directory: '/srv/outside',
      above: '../../../outside',
      root: '/',
    })) {
      symlinkSync(target, `${planted}/${name}`);
    }
  }
}

/** Somebody on the host who swaps a directory of each export for a link to the canary's; returns the process. */
async function startSwapper(host: LabHost, shares: readonly PlainShare[]): Promise<string> {
  host.copyIn(swapProgram, '/root/swap.pl');
  const directories = shares.map(({ tag }) => `/srv/export/${tag}/race-host`);
  const argv = ['perl', '/root/swap.pl', '/srv/outside', basename(canary.path), '280', ...directories];
  const pid = await host.run(sh`setsid ${words(argv)} </dev/null >/dev/null 2>/root/swap.log & echo $!`);
  return pid.trim();
}
