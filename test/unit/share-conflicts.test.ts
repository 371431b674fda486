import { describe, expect, it } from 'vitest';
import { planHost } from '../../provider/engine/plan.ts';
import type { HostSnapshot } from '../../provider/engine/snapshot.ts';
import type { Diagnostic } from '../../provider/model/diagnostic.ts';
import type { GuestDesired, GuestShare } from '../../provider/resources/guest/desired.ts';
import { fieldDifferences } from '../../provider/resources/guest/differences.ts';
import {
  otherGuests,
  sharedShareCautions,
  sharedShareObstacles,
} from '../../provider/resources/guest/share-conflicts.ts';
import { hostDesired } from '../../provider/resources/host/desired.ts';
import { parseHost } from '../../provider/resources/host/facts-parse.ts';
import { LocalFiles } from '../../provider/executor/local-files.ts';
import { guestKind } from '../../provider/terraform/kinds/guest.ts';
import { sampleGuest, sampleGuestFacts, sampleShare } from '../samples.ts';

const reads = (source: string): GuestShare => sampleShare({ source });
const writes = (source: string, writers: GuestShare['writers'] = 'one'): GuestShare =>
  sampleShare({ source, readonly: false, writers });
const found = (own: GuestShare, theirs: GuestShare) => {
  const [one, other] = [sampleGuest({ shares: [own] }), sampleGuest({ name: 'db1', shares: [theirs] })];
  return sharedShareObstacles(one, [one, other]);
};

describe('a directory of two guests', () => {
  it.each([
    [
      'written to by both',
      writes('/srv/a'),
      writes('/srv/a'),
      /\/srv\/a is written to by share data of guest db1 too/,
    ],
    [
      'that only this one would share',
      writes('/srv/a', 'many'),
      writes('/srv/a'),
      /is written to by share data of guest db1 too/,
    ],
    ['that only the other one would share', writes('/srv/a'), writes('/srv/a/', 'many'), /is written to by/],
    [
      'inside what the other writes to',
      reads('/srv/a/b'),
      writes('/srv/a'),
      /\/srv\/a\/b is inside \/srv\/a, share data of guest db1, which is written to/,
    ],
    [
      'around what the other writes to',
      reads('/srv'),
      writes('/srv/a'),
      /\/srv contains \/srv\/a, .* which is written to/,
    ],
    [
      'written to, inside what the other reads',
      writes('/srv/a/b'),
      reads('/srv/a'),
      /is inside \/srv\/a, .* and is written to/,
    ],
    ['nested, of many writers', writes('/srv/a/b', 'many'), writes('/srv/a', 'many'), /is inside/],
  ])('%s is refused', (_what, own, theirs, summary) => {
    expect(found(own, theirs)).toMatchObject([
      {
        code: 'share-conflict',
        path: ['shares', 0, 'source'],
        summary: expect.stringMatching(summary) as string,
      },
    ]);
  });
  it.each([
    ['read by both', reads('/srv/a'), reads('/srv/a')],
    ['read by both, one inside the other', reads('/srv/a/b'), reads('/srv/a')],
    ['that one writes and the other reads', writes('/srv/a'), reads('/srv/a')],
    ['that one reads and the other writes', reads('/srv/a'), writes('/srv/a')],
    ['of many writers', writes('/srv/a', 'many'), writes('/srv/a', 'many')],
    ['and one that only begins alike', writes('/srv/a'), writes('/srv/ab')],
  ])('%s is taken', (_what, own, theirs) => {
    expect(found(own, theirs)).toEqual([]);
  });

  it('counts by the wish, and by the record for guests that are not in it', () => {
    const stored = (name: string, shares: readonly GuestShare[] | undefined) =>
      [
        name,
        { name, owner: 'other-fleet', stored: shares === undefined ? undefined : sampleGuest({ shares }) },
      ] as const;
    const wished = [sampleGuest({ shares: [writes('/srv/a')] }), sampleGuest({ name: 'db1' })];
    const onHost = new Map([
      stored('web1', [writes('/srv/old')]),
      stored('db1', [writes('/srv/a')]),
      stored('other', [writes('/srv/a')]),
      stored('damaged', undefined),
    ]);
    const others = otherGuests(wished, onHost);
    expect(others.map(({ name }) => name)).toEqual(['web1', 'db1', 'other']);
    const summaries = wished
      .flatMap((guest) => sharedShareObstacles(guest, others))
      .map(({ summary }) => summary);
    expect(summaries).toEqual([expect.stringContaining('by share data of guest other too')]);
  });
});

describe('a directory that another guest has by its record', () => {
  const asked = sampleGuest({ shares: [writes('/srv/a')] });
  const others = (owner: string, theirs: GuestShare) =>
    otherGuests(
      [asked],
      new Map([['old', { name: 'old', owner, stored: sampleGuest({ shares: [theirs] }) }]]),
    );
  const said = (owner: string, theirs: GuestShare) => [
    sharedShareObstacles(asked, others(owner, theirs)).map(({ severity }) => severity),
    sharedShareCautions(asked, others(owner, theirs)).map(({ severity, code }) => `${severity} ${code}`),
  ];
  it('may be about to move within a fleet: the lock keeps two writers apart', () => {
    expect(said(asked.fleet, writes('/srv/a'))).toEqual([[], ['warning share-conflict']]);
  });
  it('is refused to another fleet, and where no lock keeps them apart', () => {
    expect(said('other', writes('/srv/a'))).toEqual([['error'], []]);
    expect(said(asked.fleet, writes('/srv/a/b'))).toEqual([['error'], []]);
  });
});

describe('differences of shares', () => {
  const differ = (before: readonly GuestShare[], after: readonly GuestShare[]) =>
    fieldDifferences('shares', before, after);
  const shown = '/srv/data, read-only, auto, files up to 65536 MiB';
  const data = sampleShare();

  it('go by their tags', () => {
    expect(differ([data], [data])).toEqual([]);
    expect(differ([], [data])).toEqual([{ path: ['shares', 'data'], before: '(none)', after: shown }]);
    expect(differ([data, sampleShare({ tag: 'b' })], [data])).toEqual([
      { path: ['shares', 'b'], before: shown, after: '(none)' },
    ]);
  });

  it('tell of a mere change of order', () => {
    const other = sampleShare({ tag: 'b' });
    expect(differ([data, other], [other, data])).toEqual([
      { path: ['shares', 'order'], before: 'data, b', after: 'b, data' },
    ]);
  });

  it.each<[Partial<GuestShare>, string]>([
    [{ source: '/srv/b' }, '/srv/b, read-only, auto, files up to 65536 MiB'],
    [{ readonly: false }, '/srv/data, writable, auto, files up to 65536 MiB'],
    [{ writers: 'many' }, '/srv/data, read-only, by many, auto, files up to 65536 MiB'],
    [{ driver: 'proxy' }, '/srv/data, read-only, proxy, files up to 65536 MiB'],
    [{ maxFileMib: 7 }, '/srv/data, read-only, auto, files up to 7 MiB'],
    [{ securityModel: 'none' }, `${shown}, security model none`],
    [{ cache: 'never' }, `${shown}, cache never`],
    [{ announceSubmounts: true }, `${shown}, submounts`],
    [{ announceSubmounts: false }, `${shown}, no submounts`],
    [{ uidMap: [{ guest: 0, host: 1000, count: 5 }] }, `${shown}, 5 users from 0 are 1000`],
    [{ gidMap: [{ guest: 0, host: 1000, count: 5 }] }, `${shown}, 5 groups from 0 are 1000`],
  ])('show what was said: %j', (change, after) => {
    expect(differ([data], [{ ...data, ...change }])).toEqual([
      { path: ['shares', 'data'], before: shown, after },
    ]);
  });
});

describe('a plan', () => {
  const facts = parseHost(Buffer.from('end\0end\0'));
  const writer = (name: string, change: Partial<GuestDesired> = {}) =>
    sampleGuest({ name, shares: [writes('/srv/a')], ...change });
  const snapshotOf = (...guests: readonly GuestDesired[]): HostSnapshot => {
    if (!facts.ok) throw new Error('not read');
    return {
      ...{
        host: 'hv1',
        facts: facts.value,
        users: new Map(),
        files: new Set(),
        sources: new Map(),
        evidence: new Map(),
      },
      guests: new Map(guests.map((guest) => [guest.name, sampleGuestFacts(guest)])),
    };
  };
  const conflicts = (found: readonly Diagnostic[]) =>
    found.filter(({ code }) => code === 'share-conflict').map(({ resource }) => resource);
  const planned = (guests: readonly GuestDesired[], ...there: readonly GuestDesired[]) => {
    const wish = { host: hostDesired({ name: 'hv1' }, 'fleet-1'), users: [], guests, uploads: new Map() };
    const plan = planHost(wish, snapshotOf(...there));
    return conflicts(plan.ok ? [] : plan.diagnostics);
  };
  const seen = (desired: GuestDesired, ...there: readonly GuestDesired[]) =>
    conflicts(
      guestKind(new LocalFiles()).obstacles(
        { desired, uploads: new Map(), shareDrivers: undefined },
        snapshotOf(...there),
      ),
    );

  it('of a host refuses guests of a wish, and of other fleets that are there', () => {
    expect(planned([writer('web1'), writer('db1')])).toEqual(['guest web1 on hv1', 'guest db1 on hv1']);
    expect(planned([writer('web1')], writer('old', { fleet: 'other' }))).toEqual(['guest web1 on hv1']);
    expect(planned([writer('web1')], writer('web1'))).toEqual([]);
    expect(planned([writer('web1'), writer('db1', { shares: [] })], writer('db1'))).toEqual([]);
  });

  it('of one guest refuses what another one there writes to', () => {
    expect(seen(writer('web1'), writer('old', { fleet: 'other' }))).toEqual(['guest web1 on hv1']);
    expect(seen(writer('web1'), writer('web1'), writer('old', { shares: [reads('/srv/a')] }))).toEqual([]);
  });
});

describe('files that guests are made of', () => {
  const holder = sampleGuest({ name: 'web1', shares: [reads('/srv/vm')] });
  const image = { name: 'root', format: 'raw', readonly: false, backing: [], sizeMib: 1 } as const;
  const codes = (guest: GuestDesired, ...others: readonly GuestDesired[]) =>
    sharedShareObstacles(guest, others).map(({ code, summary }) => `${code} ${summary}`);

  it.each([
    ['a disk', { disks: [{ ...image, path: '/srv/vm/a.img' }] }, '/srv/vm/a.img'],
    [
      'what a disk stands on',
      { disks: [{ ...image, path: '/srv/a.qcow2', backing: [{ path: '/srv/vm/base', format: 'raw' }] }] },
      '/srv/vm/base',
    ],
    ['a kernel', { kernel: { kind: 'host', path: '/srv/vm/k' } }, '/srv/vm/k'],
    ['an initrd', { initrd: { kind: 'host', path: '/srv/vm/boot/i' } }, '/srv/vm/boot/i'],
  ] as const)('%s of another guest or its own is in no share', (_, change, path) => {
    const other = sampleGuest({ name: 'db1', ...change });
    expect(codes(holder, other)).toEqual([expect.stringContaining(`holds ${path}, which guest db1`)]);
    expect(codes({ ...holder, ...change })).toEqual([
      expect.stringContaining(`holds ${path}, which guest web1`),
    ]);
  });

  it('are fine beside it', () => {
    expect(
      codes(holder, sampleGuest({ name: 'db1', disks: [{ ...image, path: '/srv/vm2/a.img' }] })),
    ).toEqual([]);
  });
});
