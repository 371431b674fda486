import { describe, expect, it } from 'vitest';
import type { GuestDesired } from '../../../provider/resources/guest/desired.ts';
import { guestObstacles } from '../../../provider/resources/guest/render.ts';
import { domainObstacles, xlCautions } from '../../../provider/resources/guest/xl-obstacles.ts';
import { hostObstacles } from '../../../provider/resources/host/checks.ts';
import { hostDesired } from '../../../provider/resources/host/desired.ts';
import type { HostFacts } from '../../../provider/resources/host/facts.ts';
import { domainUuid } from '../../../provider/toolstacks/xl/config.ts';
import type { XenCapabilities } from '../../../provider/toolstacks/xl/capabilities.types.ts';
import { sampleXen, sampleXenHost, xlGuest } from '../../xl-samples.ts';

const file = {
  name: 'd',
  path: '/srv/d.img',
  format: 'raw',
  readonly: false,
  backing: [],
  sizeMib: 1,
} as const;
const share = {
  tag: 't',
  source: '/srv/t',
  readonly: true,
  driver: 'auto',
  writers: 'one',
  maxFileMib: 1,
} as const;
const isolation = xlGuest().isolation;

describe('a guest that xl cannot have', () => {
  it.each<[string, Partial<GuestDesired>, string]>([
    ['accelerator', { accelerator: 'tcg' }, 'xl-accelerator'],
    ['machine', { machine: 'microvm' }, 'xl-machine'],
    ['machine', { machine: 'isapc' }, 'xl-machine'],
    ['shares', { shares: [share] }, 'xl-shares'],
    ['sharedMemory', { sharedMemory: true }, 'xl-shared-memory'],
    ['network', { network: 'user' }, 'xl-network'],
    ['devices', { devices: ['/dev/vfio/1'] }, 'xl-devices'],
    ['disks', { disks: [file] }, 'xl-disk-file'],
    ['disks', { disks: [{ ...file, format: 'qcow2' }] }, 'xl-disk-format'],
    ['limits', { limits: { ioReadMibPerSecond: 1 } }, 'xl-bandwidth'],
    ['memoryMib', { memoryMib: 2048 }, 'xl-memory'],
    ['isolation', { isolation: { ...isolation, off: ['chroot'] } }, 'xl-isolation'],
    ['isolation', { isolation: { ...isolation, hostDevMounts: true } }, 'xl-isolation'],
  ])('is an error of its plan: %s %j', (field, change, code) => {
    const found = guestObstacles(xlGuest(change), sampleXenHost);
    expect(found).toMatchObject([{ severity: 'error', code, path: [field], host: 'xen1' }]);
    expect(found[0]?.summary).toMatch(/^guest web1 on xen1: /);
    expect(found[0]?.hint).not.toBe('');
  });

  it('says each layer that libxl does not give and the definition wants', () => {
    const strict = { ...isolation, mayBeMissing: [] };
    const found = guestObstacles(xlGuest({ isolation: strict }), sampleXenHost);
    expect(new Set(found.map(({ code }) => code))).toEqual(new Set(['layer-not-available']));
    expect(found).toHaveLength(isolation.mayBeMissing.length);
  });

  it('has none against what it can', () => {
    const disk = { ...file, path: '/dev/loop1' };
    expect(guestObstacles(xlGuest({ machine: 'pc', disks: [disk] }), sampleXenHost)).toEqual([]);
  });
});

describe('domains of the host', () => {
  const domain = { domid: 4, name: 'web1', maxMemoryKib: 1, deviceModelPid: 1 };

  it('are not ours by their name alone', () => {
    const other = { ...domain, uuid: '5c8c4bb4-1b1d-4b4f-8b0a-7d8bd3f0a001' };
    expect(domainObstacles(xlGuest(), [other])).toMatchObject([{ code: 'domain-foreign', path: ['name'] }]);
    expect(domainObstacles(xlGuest(), [{ ...domain, uuid: domainUuid(xlGuest()) }])).toEqual([]);
    expect(domainObstacles(xlGuest(), [{ ...other, name: 'web2' }])).toEqual([]);
  });

  it('have to be known', () => {
    expect(domainObstacles(xlGuest(), undefined)).toMatchObject([{ code: 'xl-unreadable' }]);
  });
});

it('warns where Xen has not the memory now, but for a guest that has its already', () => {
  const guest = xlGuest({ memoryMib: 1500 });
  expect(xlCautions(guest, sampleXenHost, false)).toMatchObject([
    { severity: 'warning', code: 'xl-memory-low' },
  ]);
  expect(xlCautions(guest, sampleXenHost, true)).toEqual([]);
  expect(xlCautions(xlGuest(), sampleXenHost, false)).toEqual([]);
});

it.each([{ handleChecker: undefined }, { python: undefined }])(
  'warns where handles cannot be tried, of guests that run as well: %j',
  (lack) => {
    const host = { ...sampleXenHost, xen: { ...sampleXen, ...lack } };
    for (const isRunning of [true, false])
      expect(xlCautions(xlGuest(), host, isRunning)).toMatchObject([
        { severity: 'warning', code: 'xl-handles-unproven', host: 'xen1' },
      ]);
  },
);

describe('a host for xl', () => {
  const facts = (xen: Partial<XenCapabilities> | undefined, more: Partial<HostFacts> = {}): HostFacts => ({
    capabilities: { ...sampleXenHost, xen: xen === undefined ? undefined : { ...sampleXen, ...xen } },
    qemus: new Map(),
    operatingSystem: { id: 'debian', like: '', name: 'Debian' },
    record: undefined,
    owners: new Map(),
    damaged: new Map(),
    directories: new Map(),
    unitTemplate: undefined,
    foreignUnitFiles: [],
    reloadPending: false,
    logger: undefined,
    apparmor: { file: undefined, switches: [], loaded: new Map(), hashes: '', record: undefined },
    guests: [],
    userSets: [],
    ...more,
  });
  const desired = hostDesired({ name: 'xen1', toolstack: 'xl' }, 'prod');

  it.each<[string, Partial<XenCapabilities> | undefined]>([
    ['no-xl', undefined],
    ['not-on-xen', { isControlDomain: false }],
    ['xl-no-answer', { version: '', major: 0, minor: 0, complaint: 'xencall: error' }],
    ['xen-too-old', { version: '4.11.4', minor: 11 }],
    ['no-qemu', { deviceModel: undefined }],
    ['qemu-untrusted', { deviceModel: undefined, untrusted: '/usr belongs to uid 5' }],
  ])('is refused: %s', (code, xen) => {
    const found = hostObstacles(desired, facts(xen));
    expect(found).toMatchObject([{ severity: 'error', code, host: 'xen1' }]);
    expect(found[0]?.hint).not.toBe('');
  });

  it('stands nothing against a real one', () => {
    expect(hostObstacles(desired, facts({}))).toEqual([]);
  });

  it('does not change its toolstack from under its guests', () => {
    const owner = { generation: 1, digest: '', qemuBinary: undefined, toolstack: 'qemu' as const };
    const owners = new Map([['prod', owner]]);
    const guests = [{ guest: 'web1', owner: 'prod' }];
    expect(hostObstacles(desired, facts({}, { owners, guests }))).toMatchObject([
      { code: 'toolstack-in-use', path: ['toolstack'] },
    ]);
    expect(hostObstacles(desired, facts({}, { owners }))).toEqual([]);
  });
});
