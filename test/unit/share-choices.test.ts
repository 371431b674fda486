import { describe, expect, it } from 'vitest';
import type { GuestDesired, GuestShare } from '../../provider/resources/guest/desired.ts';
import { guestObstacles } from '../../provider/resources/guest/render.ts';
import { chooseShares, launchShares, shareDriverTexts } from '../../provider/resources/guest/shares.ts';
import type { HostCapabilities } from '../../provider/toolstacks/qemu/capabilities.types.ts';
import { qemuOfVersion, type QemuVersion } from '../qemu-versions.ts';
import { sampleGuest, sampleHost, sampleShare } from '../samples.ts';

const helpers = {
  c: { virtiofsd: { path: '/usr/lib/qemu/virtiofsd', kind: 'c', translatesIds: false } },
  rust: { virtiofsd: { path: '/usr/libexec/virtiofsd', kind: 'rust', translatesIds: true } },
  oldRust: { virtiofsd: { path: '/usr/libexec/virtiofsd', kind: 'rust', translatesIds: false } },
  proxy: { proxyHelper: '/usr/lib/qemu/virtfs-proxy-helper' },
} as const satisfies Readonly<Record<string, Partial<HostCapabilities>>>;

const hostOf = (
  version: QemuVersion,
  found: readonly (keyof typeof helpers)[],
  missing: readonly string[] = [],
): HostCapabilities => {
  const qemu = qemuOfVersion[version];
  const devices = qemu.devices.filter((name) => !missing.includes(name));
  const all = Object.assign({}, ...found.map((name) => helpers[name])) as Partial<HostCapabilities>;
  return { ...sampleHost, qemu: { ...qemu, devices }, ...all };
};
const c = 'the host has the C virtiofsd (/usr/lib/qemu/virtiofsd)';
const rust = 'the host has the Rust virtiofsd (/usr/libexec/virtiofsd)';
const itself = 'QEMU serves it itself and holds the directory open';
const served = (version: string) =>
  `QEMU ${version} and virtfs-proxy-helper (/usr/lib/qemu/virtfs-proxy-helper) serve 9p`;
const gone = (version: string) => `QEMU ${version} has no 9p driver proxy (QEMU has removed it in 9.2)`;
const noHelper = 'no virtfs-proxy-helper on the host';
const noVirtiofsd = 'no virtiofsd on the host';
const map = [{ guest: 0, host: 1000, count: 1 }];

type Case = [
  what: string,
  host: HostCapabilities,
  share: Partial<GuestShare>,
  machine: GuestDesired['machine'],
  expected: string,
];

describe('a share is served by the first driver that the host has', () => {
  it.each<Case>([
    ['7.2 with both helpers', hostOf('7.2', ['c', 'proxy']), {}, 'q35', `virtiofs: ${c}`],
    ['10.0 with the Rust virtiofsd', hostOf('10.0', ['rust']), {}, 'q35', `virtiofs: ${rust}`],
    ['7.2 without virtiofsd', hostOf('7.2', ['proxy']), {}, 'q35', `proxy: ${noVirtiofsd}; ${served('7.2')}`],
    ['7.2 with neither', hostOf('7.2', []), {}, 'q35', `local: ${noVirtiofsd}; ${noHelper}; ${itself}`],
    ['10.0 with neither', hostOf('10.0', []), {}, 'q35', `local: ${noVirtiofsd}; ${gone('10.0')}; ${itself}`],
    [
      '10.0 with a proxy helper of before',
      hostOf('10.0', ['proxy']),
      {},
      'q35',
      `local: ${noVirtiofsd}; ${gone('10.0')}; ${itself}`,
    ],
    [
      '9.1, the last with a proxy',
      hostOf('9.1', ['proxy']),
      {},
      'q35',
      `proxy: ${noVirtiofsd}; ${served('9.1')}`,
    ],
    [
      '2.11, which cannot share memory',
      hostOf('2.11', ['rust', 'proxy']),
      {},
      'q35',
      `proxy: QEMU 2.11 has no device vhost-user-fs-pci; ${served('2.11')}`,
    ],
    [
      'a microvm of 4.2, whose memory cannot be shared',
      hostOf('4.2', ['c']),
      {},
      'microvm',
      `local: QEMU 4.2 cannot share the memory of machine microvm with virtiofsd (memory-backend-memfd); ${noHelper}; ${itself}`,
    ],
    ['a microvm', hostOf('10.0', ['rust']), {}, 'microvm', `virtiofs: ${rust}`],
    [
      'a microvm without its device',
      hostOf('7.2', ['c', 'proxy'], ['vhost-user-fs-device']),
      {},
      'microvm',
      `proxy: QEMU 7.2 has no device vhost-user-fs-device; ${served('7.2')}`,
    ],
    [
      'the proxy, asked for',
      hostOf('7.2', ['c', 'proxy']),
      { driver: 'proxy' },
      'q35',
      `proxy: ${served('7.2')}`,
    ],
    ['QEMU itself, asked for', hostOf('10.0', ['rust']), { driver: 'local' }, 'q35', `local: ${itself}`],
    [
      'QEMU itself, for its option',
      hostOf('7.2', ['c', 'proxy']),
      { securityModel: 'mapped-file' },
      'q35',
      `local: ${itself}`,
    ],
    ['virtiofsd, for its option', hostOf('7.2', ['c', 'proxy']), { cache: 'never' }, 'q35', `virtiofs: ${c}`],
    ['users that are others', hostOf('10.0', ['rust']), { uidMap: map }, 'q35', `virtiofs: ${rust}`],
  ])('%s', (_what, host, change, machine, expected) => {
    const guest = sampleGuest({ machine, shares: [sampleShare(change)] });
    expect(shareDriverTexts(guest, host)).toEqual([['data', expected]]);
    expect(guestObstacles(guest, host)).toEqual([]);
    expect(launchShares(guest, host)).toMatchObject([
      { tag: 'data', driver: { kind: expected.split(':')[0] } },
    ]);
  });

  it('with all that was said of it, and one writer unless it says otherwise', () => {
    const host = hostOf('10.0', ['rust']);
    const said = { cache: 'metadata', announceSubmounts: true, uidMap: map, gidMap: map } as const;
    const write = { readonly: false, maxFileMib: 5 } as const;
    const shares = [sampleShare({ ...said, ...write }), sampleShare({ tag: 'b', ...write, writers: 'many' })];
    const { path: helper, kind: implementation } = helpers.rust.virtiofsd;
    const common = { source: '/srv/data', readonly: false, maxFileMib: 5 };
    const driver = { kind: 'virtiofs', helper, implementation };
    expect(launchShares(sampleGuest({ shares }), host)).toEqual([
      { ...common, tag: 'data', onlyWriter: true, driver: { ...driver, ...said } },
      {
        ...common,
        ...{ tag: 'b', onlyWriter: false },
        driver: { ...driver, cache: 'auto', announceSubmounts: false, uidMap: [], gidMap: [] },
      },
    ]);
  });
});

describe('what a host cannot serve is an error of the plan that names what to do', () => {
  it.each<[string, HostCapabilities, Partial<GuestShare>, string, RegExp, RegExp]>([
    [
      'the proxy on 10.0',
      hostOf('10.0', ['rust']),
      { driver: 'proxy' },
      'driver',
      /driver proxy cannot be had: QEMU 10\.0 has no 9p driver proxy .*9\.2/,
      /replacement is driver = "virtiofs".*mounts it with "-t virtiofs".*memory is shared/,
    ],
    [
      'the proxy without its helper',
      hostOf('7.2', []),
      { driver: 'proxy' },
      'driver',
      /no virtfs-proxy-helper/,
      /qemu-system-common.*virtiofs/,
    ],
    [
      'virtiofs without virtiofsd',
      hostOf('10.0', []),
      { driver: 'virtiofs' },
      'driver',
      /no virtiofsd on the host/,
      /package virtiofsd/,
    ],
    [
      'virtiofs on 2.11',
      hostOf('2.11', ['rust']),
      { driver: 'virtiofs' },
      'driver',
      /2\.11 has no device vhost-user-fs-pci/,
      /4\.2 or later/,
    ],
    [
      'QEMU itself without 9p',
      hostOf('10.0', ['rust'], ['virtio-9p-pci']),
      { driver: 'local' },
      'driver',
      /built without 9p/,
      /virtiofs/,
    ],
    [
      'any without anything',
      hostOf('10.0', [], ['virtio-9p-pci']),
      {},
      'driver',
      /no driver can serve it: no virtiofsd on the host; .*built without 9p/,
      /package virtiofsd/,
    ],
    [
      'users by the C virtiofsd',
      hostOf('7.2', ['c', 'proxy']),
      { uidMap: map },
      'uidMap',
      /the C virtiofsd .*cannot take users/,
      /Rust virtiofsd/,
    ],
    [
      'groups by the C virtiofsd',
      hostOf('7.2', ['c']),
      { driver: 'virtiofs', gidMap: map },
      'gidMap',
      /cannot take groups/,
      /Rust virtiofsd/,
    ],
    [
      'users by an old virtiofsd',
      hostOf('10.0', ['oldRust']),
      { uidMap: map },
      'uidMap',
      /does not know --translate-uid/,
      /newer virtiofsd/,
    ],
    [
      'a cache that C does not know',
      hostOf('7.2', ['c']),
      { cache: 'metadata' },
      'cache',
      /no cache mode metadata/,
      /auto, always or never/,
    ],
  ])('%s', (_what, host, change, field, summary, hint) => {
    const guest = sampleGuest({ shares: [sampleShare(change)] });
    expect(guestObstacles(guest, host)).toMatchObject([
      {
        severity: 'error',
        code: 'share-not-available',
        path: ['shares', 0, field],
        summary: expect.stringMatching(summary) as string,
        hint: expect.stringMatching(hint) as string,
      },
    ]);
    expect(chooseShares(guest, host)).toMatchObject([{ driver: undefined }]);
    expect(launchShares(guest, host)).toEqual([]);
  });

  it.each(['auto', 'local'] as const)(
    'QEMU itself, by %s, where the guest is among the mounts of its host',
    (driver) => {
      const isolation = { off: ['mount-namespace'], mayBeMissing: [], hostDevMounts: false } as const;
      const guest = sampleGuest({ shares: [sampleShare({ driver })], isolation });
      expect(guestObstacles(guest, hostOf('7.2', []))).toMatchObject([
        {
          ...{ severity: 'error', code: 'share-not-available', path: ['shares', 0, 'driver'] },
          summary: expect.stringContaining('mount-namespace is in isolation.off') as string,
          hint: expect.stringMatching(/virtiofsd/) as string,
        },
      ]);
      expect(launchShares(guest, hostOf('7.2', []))).toEqual([]);
      const by = launchShares(guest, hostOf('7.2', ['proxy'])).map((share) => share.driver.kind);
      expect(by).toEqual(driver === 'auto' ? ['proxy'] : []);
    },
  );

  it('at the share that it is about; the others are served', () => {
    const shares = [sampleShare(), sampleShare({ tag: 'b', driver: 'proxy' })];
    const [guest, host] = [sampleGuest({ shares }), hostOf('10.0', ['rust'])];
    expect(guestObstacles(guest, host)).toMatchObject([
      { path: ['shares', 1, 'driver'], summary: expect.stringContaining('share b: driver proxy') as string },
    ]);
    expect(launchShares(guest, host)).toMatchObject([{ tag: 'data', driver: { kind: 'virtiofs' } }]);
  });
});

describe('a machine has room for so many', () => {
  const disks = (count: number): GuestDesired['disks'] =>
    Array.from({ length: count }, (_, at) => ({
      ...{ name: `d${at}`, path: `/${at}`, format: 'raw', readonly: true, backing: [] },
    }));
  const shares = (count: number) =>
    Array.from({ length: count }, (_, at) => sampleShare({ tag: `s${at}`, source: `/srv/${at}` }));
  const found = (guest: Partial<GuestDesired>) =>
    guestObstacles(sampleGuest(guest), hostOf('10.0', ['rust'])).map(({ code, path, summary }) => [
      code,
      path,
      summary,
    ]);

  it.each([
    ['microvm', 4, 3],
    ['q35', 14, 15],
    ['pc', 13, 16],
  ] as const)('%s: %i disks, %i shares and a network card', (machine, ofDisks, ofShares) => {
    const room = { machine, network: 'user', disks: disks(ofDisks) } as const;
    expect(found({ ...room, shares: shares(ofShares) })).toEqual([]);
    expect(found({ ...room, disks: disks(ofDisks + 1), shares: shares(ofShares) })).toEqual([
      [
        machine === 'microvm' ? 'microvm-full' : 'machine-full',
        ['shares'],
        expect.stringContaining(`not ${ofDisks + ofShares + 2}`),
      ],
    ]);
  });
});
