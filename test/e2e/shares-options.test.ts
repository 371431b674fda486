import { mkdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sh, word } from '../../provider/model/shell.ts';
import type { GuestShare } from '../../provider/resources/guest/desired.ts';
import { departures, readShareReport } from '../lab/guest/share-report.ts';
import { readOnlySteps, roundtripSteps } from '../lab/guest/share-steps.ts';
import { suites } from '../lab/recipe.ts';
import { useLab } from '../lab/vitest.ts';
import { Core } from './core.fixture.ts';
import { placeShareGuest } from './share-guest.fixture.ts';
import {
  closedDirectory,
  consoleUntil,
  type Driver,
  driversOf,
  failing as known,
  journal,
  makeSources,
  readOnlyFailing,
  runShareGuest,
  shareGuest,
  shareOf,
} from './shares.fixture.ts';

function useHost(suite: 'bookworm' | 'trixie') {
  const lab = useLab({ hosts: 1, name: `options-${suite}`, suite });
  const state: { core?: Core } = {};
  beforeAll(async () => {
    await placeShareGuest(lab.host);
    state.core = new Core(lab.host);
  });
  afterAll(() => state.core?.link.close());
  const core = () => {
    if (state.core === undefined) throw new Error('not prepared');
    return state.core;
  };
  const write = (share: GuestShare, name: string, text: string) => {
    writeFileSync(lab.host.pathFromHere(`${share.source}/${name}`), text);
  };
  return { lab, core, write };
}

const details = (report: ReturnType<typeof readShareReport>, tag: string) =>
  Object.fromEntries(
    report.steps
      .filter((each) => each.tag === tag)
      .map(({ step, passed, detail }) => [step, passed ? detail : `fail ${detail.split(' ')[0]}`]),
  );

const virtiofs = (tag: string, change: Partial<GuestShare>) =>
  shareOf(tag, { driver: 'virtiofs', ...change });
const caches = {
  bookworm: ['auto', 'always', 'never'],
  trixie: ['auto', 'always', 'metadata', 'never'],
} as const;

describe.each(suites)('options of virtiofs on %s', (suite) => {
  const { lab, core, write } = useHost(suite);

  it('do what they say: mounts below, caches, and ids where they can be mapped', async () => {
    const { host } = lab;
    const [plain, announced] = [virtiofs('sub-plain', {}), virtiofs('sub-told', { announceSubmounts: true })];
    const ids = virtiofs('ids', {
      uidMap: [
        { guest: 0, host: 100_000, count: 1 },
        { guest: 1000, host: 101_000, count: 1 },
      ],
      gidMap: [
        { guest: 0, host: 200_000, count: 1 },
        { guest: 1000, host: 201_000, count: 1 },
      ],
    });
    const cached = caches[suite].map((cache) => virtiofs(`cache-${cache}`, { cache }));
    const mapped = suite === 'trixie' ? [ids] : [];
    const shares = [...mapped, plain, announced, ...cached];
    await makeSources(host, shares);
    for (const share of [plain, announced]) {
      mkdirSync(host.pathFromHere(`${share.source}/below`));
      const below = word(`${share.source}/below`);
      await host.run(sh`mount -t tmpfs below ${below} && printf inside >${below}/inner`);
    }
    for (const share of cached) write(share, 'told', 'old');
    for (const share of mapped) {
      for (const name of ['mapped', 'unmapped']) write(share, name, '');
      const at = word(share.source);
      await host.run(
        sh`cd ${at} && chown 101000:201000 mapped && chown 7:7 unmapped && chown 100000:200000 .`,
      );
    }

    await core().apply(core().wish([shareGuest(core(), 'web1', shares, 'task=options')]));
    const commands = await host.run(
      sh`for each in /proc/[0-9]*/cmdline; do tr '\\0' ' ' <"$each" || :; echo; done 2>/dev/null`,
    );
    for (const share of cached) {
      await consoleUntil(core(), 'web1', new RegExp(`^SHARE ${share.tag} first `, 'm'));
      write(share, 'told', 'new');
      write(share, 'go', '');
    }
    const report = readShareReport(await consoleUntil(core(), 'web1', /^SHARE-DONE .*\n/m));
    expect([report.problem, report.problem === '' ? '' : await journal(host)]).toEqual(['', '']);
    const about = (share: GuestShare) => details(report, share.tag);
    expect(about(plain)).toMatchObject({ inner: 'fail ENOENT', announced: 'no' });
    expect(about(announced)).toMatchObject({ inner: 'inside', announced: 'yes' });
    for (const share of cached) {
      expect([share.tag, about(share)['first']]).toEqual([share.tag, 'old']);
      // a guest that caches always may show either
      if (share.cache !== 'always') expect([share.tag, about(share)['then']]).toEqual([share.tag, 'new']);
      // the helper in C says none where the other says never
      const named = suite === 'bookworm' && share.cache === 'never' ? 'none' : share.cache;
      expect(commands).toMatch(new RegExp(`virtiofsd .*cache=${named}\\b`));
    }
    for (const share of mapped) {
      expect(about(share)).toMatchObject({
        ...{ 'seen-mapped': '1000:1000', 'seen-unmapped': '65534:65534', made: '0:0', given: '1000:1000' },
        ...{ 'given-unmapped': expect.stringMatching(/^fail E/) as string, 'made-unmapped': '' },
      });
      const shown = await host.run(sh`cd ${word(share.source)} && stat -c '%n %u:%g' made given kept; ls`);
      expect(shown.trim().split('\n')).toEqual([
        ...['made 100000:200000', 'given 101000:201000', 'kept 100000:200000'],
        ...['given', 'kept', 'made', 'mapped', 'unmapped'],
      ]);
    }
    await core().leave(['web1']);
    for (const share of [plain, announced]) await host.run(['umount', `${share.source}/below`]);
  });
});

/** By `none` files are those of QEMU's user: it gives none away, and makes no device. */
const noRoot = { chown: 'EPERM', 'chown-symlink': 'EPERM', 'char-device': 'EPERM', 'block-device': 'EPERM' };
const failing = {
  // QEMU 7.2 cannot open what it has made: see share-guest.test.ts
  bookworm: { 'mapped-xattr': {}, none: { ...noRoot, fifo: 'ENXIO', socket: 'ENXIO' } },
  trixie: { 'mapped-xattr': {}, none: noRoot },
} as const;

describe.each(suites)('QEMU itself on %s, where it has a /proc', (suite) => {
  const { lab, core } = useHost(suite);

  it('keeps what the guest gives its files in extended attributes, or nowhere', async () => {
    const models = ['mapped-xattr', 'none'] as const;
    const shares = models.map((securityModel) => shareOf(securityModel, { driver: 'local', securityModel }));
    await makeSources(lab.host, shares);
    const guest = shareGuest(core(), 'web1', shares, 'task=roundtrip files=20 big_mib=2', {
      isolation: { off: ['chroot'], mayBeMissing: [], hostDevMounts: false },
    });
    const report = await runShareGuest(lab.host, core(), guest);
    for (const tag of models) {
      expect.soft([tag, departures(report, tag, roundtripSteps, failing[suite][tag])]).toEqual([tag, []]);
    }
    await core().leave(['web1']);
  });
});

/** q35 of Debian 13 is in shares.test.ts, at full size. */
const machines = { bookworm: ['microvm', 'q35'], trixie: ['microvm'] } as const;

describe.each(suites)('every driver on %s', (suite) => {
  const { lab, core } = useHost(suite);

  it.each(machines[suite])(
    'is all that a file system is, and read-only is read-only, on %s',
    async (machine) => {
      const shares = driversOf(suite).flatMap((driver) => [
        shareOf(`w-${driver}`, { driver }),
        shareOf(`r-${driver}`, { driver, readonly: true }),
      ]);
      await makeSources(lab.host, shares);
      const task = 'task=roundtrip at_once=1 files=20 big_mib=2';
      const report = await runShareGuest(
        lab.host,
        core(),
        shareGuest(core(), 'small', shares, task, { machine }),
      );
      for (const { tag, readonly, driver } of shares) {
        const [steps, failures] = readonly
          ? [readOnlySteps, readOnlyFailing[driver as Driver]]
          : [roundtripSteps, known[suite][driver as Driver]];
        expect.soft([tag, departures(report, tag, steps, failures)]).toEqual([tag, []]);
      }
      await core().leave(['small']);
      await lab.host.run(['rm', '-rf', closedDirectory]);
    },
  );
});
