import { describe, expect, it } from 'vitest';
import { guestSchema } from '../../provider/spec/guest.ts';

const guest = {
  host: 'hv1',
  name: 'web1',
  users: 'hv1/per-domain',
  memoryMib: 128,
  kernel: { hostFile: '/boot/vmlinuz' },
};
const disk = { name: 'data', path: '/srv/data.img', format: 'raw', sizeMib: 64 };

function faults(change: Readonly<Record<string, unknown>>) {
  const parsed = guestSchema.safeParse({ ...guest, ...change });
  return parsed.success ? [] : parsed.error.issues.map(({ path, message }) => [path.join('.'), message]);
}

describe('departures from full isolation', () => {
  it.each([
    [{ off: ['mount-namespace'] }, 'isolation.off', /has mount-namespace and must then have private-dev too/],
    [{ off: ['no-new-privs'] }, 'isolation.off', /has no-new-privs and must then have seccomp too/],
    [
      { off: ['no-new-privs'], mayBeMissing: ['seccomp'] },
      'isolation.off',
      /has no-new-privs and must then have seccomp too/,
    ],
    [
      { off: ['seccomp'], mayBeMissing: ['seccomp'] },
      'isolation.mayBeMissing',
      /has seccomp, which is switched/,
    ],
    [{ off: ['lsm', 'lsm'] }, 'isolation.off', /has lsm twice/],
    [{ mayBeMissing: ['lsm', 'lsm'] }, 'isolation.mayBeMissing', /has lsm twice/],
    [{ off: ['private-dev'], hostDevMounts: true }, 'isolation.hostDevMounts', /has nothing to move into/],
    [{ off: ['user'] }, 'isolation.off.0', /Invalid option/],
  ])('that cannot be: %j', (isolation, path, message) => {
    expect(faults({ isolation })).toEqual([[path, expect.stringMatching(message)]]);
  });

  it.each([
    { off: ['mount-namespace', 'private-dev'] },
    { off: ['no-new-privs', 'seccomp', 'chroot'] },
    { off: ['private-dev'] },
    { off: ['seccomp'], mayBeMissing: ['lsm'] },
    { hostDevMounts: true },
  ])('that can be: %j', (isolation) => {
    expect(faults({ isolation })).toEqual([]);
  });
});

describe('disks of one guest', () => {
  it.each([
    ['one name', [disk, { ...disk, path: '/srv/b.img' }], 'disks.1.name', /is the name of another disk/],
    ['one image, written by both', [disk, { ...disk, name: 'b' }], 'disks.1.path', /must not be used twice/],
    [
      'one image by two spellings, one of which only reads',
      [disk, { ...disk, name: 'b', path: '/srv//./data.img', readonly: true }],
      'disks.1.path',
      /must not be used twice while it is written to: \/srv\/data.img/,
    ],
    [
      'an image that another one stands on',
      [
        disk,
        { ...disk, name: 'b', path: '/b', format: 'qcow2', backing: [{ path: disk.path, format: 'raw' }] },
      ],
      'disks.1.backing.0.path',
      /must not be used twice/,
    ],
  ])('do not share %s', (_what, disks, path, message) => {
    expect(faults({ disks })).toEqual([[path, expect.stringMatching(message)]]);
  });

  it('may read one image together', () => {
    const base = [{ path: '/srv/base.img', format: 'raw' }];
    const disks = [
      { ...disk, readonly: true },
      { ...disk, name: 'b', readonly: true },
      { ...disk, name: 'c', path: '/c', format: 'qcow2', backing: base },
      { ...disk, name: 'd', path: '/d', format: 'qcow2', backing: base },
    ];
    expect(faults({ disks })).toEqual([]);
  });
});

it.each([
  ['/etc/passwd', 'must lie below /dev'],
  ['/dev', 'must lie below /dev'],
  ['/dev/../etc/passwd', expect.stringContaining('must be a plain path')],
  ['/dev/vfio/..', expect.stringContaining('must be a plain path')],
  ['/dev/./kvm', expect.stringContaining('must be a plain path')],
  ['/dev/vfio//12', expect.stringContaining('must be a plain path')],
  ['/dev/vfio/', expect.stringContaining('must be a plain path')],
  ['/dev/.hidden', expect.stringContaining('must be a plain path')],
  ['/dev/a b', expect.stringContaining('must be a plain path')],
  ['/dev/$(id)', expect.stringContaining('must be a plain path')],
  ['/dev/shm/x', "lies on /dev/shm, which is the guest's own"],
  ['/dev/pts', "lies on /dev/pts, which is the guest's own"],
])('a device has its own plain path: not %s', (path, message) => {
  expect(faults({ devices: [path] })).toEqual([['devices.0', message]]);
});

it('a device has its own plain path', () => {
  const devices = [
    '/dev/vfio/12',
    '/dev/bus/usb/001/002',
    '/dev/cciss/c0d0',
    '/dev/ttyUSB0',
    '/dev/a_b:c@d+e=f,-',
  ];
  expect(faults({ devices })).toEqual([]);
  expect(faults({ devices: ['/dev/vfio', '/dev/vfio/12'] })).toEqual([
    ['devices.0', 'is no device but a directory: /dev/vfio/12 lies in it'],
  ]);
});

it('a device is named once', () => {
  expect(faults({ devices: ['/dev/vfio/12', '/dev/vfio/vfio', '/dev/vfio/12'] })).toEqual([
    ['devices.2', 'is there twice: /dev/vfio/12'],
  ]);
});

it('isapc has no bus for disks and network', () => {
  expect(faults({ machine: 'isapc' })).toEqual([]);
  expect(faults({ machine: 'isapc', disks: [disk], network: 'user' })).toEqual([
    ['disks', expect.stringContaining('cannot be had with machine isapc')],
    ['network', expect.stringContaining('cannot be had with machine isapc')],
  ]);
});
