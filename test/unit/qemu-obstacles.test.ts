import { describe, expect, it } from 'vitest';
import type { GuestDesired } from '../../provider/resources/guest/desired.ts';
import { sharedDiskObstacles } from '../../provider/resources/guest/qemu-obstacles.ts';
import { guestObstacles } from '../../provider/resources/guest/render.ts';
import type { QemuCapabilities } from '../../provider/toolstacks/qemu/capabilities.types.ts';
import { sampleGuest, sampleHost, sampleQemu } from '../samples.ts';

const disk = (path: string, readonly = false, backing: readonly string[] = []) => ({
  name: 'root',
  path,
  format: 'qcow2' as const,
  readonly,
  backing: backing.map((base) => ({ path: base, format: 'qcow2' as const })),
  sizeMib: 64,
});

const codes = (guest: Partial<GuestDesired>, qemu: Partial<QemuCapabilities> = {}) =>
  guestObstacles(sampleGuest(guest), { ...sampleHost, qemu: { ...sampleQemu, ...qemu } }).map(
    ({ code }) => code,
  );

describe('what a QEMU cannot do is an obstacle of the plan', () => {
  it.each<[string, Partial<GuestDesired>, Partial<QemuCapabilities>, readonly string[]]>([
    ['nothing asked for', {}, { blockdev: false, addFd: false, memfdBackend: false, userNetwork: false }, []],
    ['disks', { disks: [disk('/a')] }, {}, []],
    ['disks without -blockdev', { disks: [disk('/a')] }, { blockdev: false }, ['disks-unsupported']],
    ['disks without -add-fd', { disks: [disk('/a')] }, { addFd: false }, ['disks-unsupported']],
    ['shared memory', { sharedMemory: true }, {}, []],
    ['shared memory by -numa', { sharedMemory: true }, { memoryBackendProperty: false }, []],
    [
      'shared memory of a microvm by -numa',
      { sharedMemory: true, machine: 'microvm' },
      { memoryBackendProperty: false },
      ['shared-memory-unsupported'],
    ],
    [
      'shared memory without memfd',
      { sharedMemory: true },
      { memfdBackend: false },
      ['shared-memory-unsupported'],
    ],
    ['user network without slirp', { network: 'user' }, { userNetwork: false }, ['user-network-unsupported']],
    ['a user by name', { scheme: 'per-domain' }, { runWithUser: false, runasNumeric: false }, []],
    ['the shared user by name', { scheme: 'shared' }, { runWithUser: false, runasNumeric: false }, []],
    ['a user of a range in numbers', { scheme: 'range' }, { runWithUser: false, runasNumeric: true }, []],
    [
      'a user of a range by name',
      { scheme: 'range' },
      { runWithUser: false, runasNumeric: false },
      ['user-without-name'],
    ],
    [
      'a microvm with nine devices',
      { machine: 'microvm', network: 'user', disks: Array.from({ length: 8 }, (_, at) => disk(`/${at}`)) },
      {},
      ['microvm-full'],
    ],
  ])('%s', (_what, guest, qemu, expected) => {
    expect(codes(guest, qemu)).toEqual(expected);
  });
});

describe('a disk of two guests', () => {
  const one = (disks: GuestDesired['disks']) => sampleGuest({ disks });
  const other = (disks: GuestDesired['disks']) => sampleGuest({ name: 'db1', disks });
  it.each([
    ['written by both', [disk('/a')], [disk('/a')]],
    ['written by the other one', [disk('/a', true)], [disk('/a')]],
    ['that one stands on and the other writes to', [disk('/a', false, ['/base'])], [disk('/base')]],
  ])('%s is refused', (_what, own, theirs) => {
    const [found, ...more] = sharedDiskObstacles(one(own), [one(own), other(theirs)]);
    expect([found?.code, found?.summary, more]).toEqual([
      'disk-shared',
      expect.stringMatching(/guest db1 uses \/(a|base) too/),
      [],
    ]);
  });
  it.each([
    ['read by both', [disk('/a', true)], [disk('/a', true)]],
    ['that both stand on', [disk('/a', false, ['/base'])], [disk('/b', false, ['/base'])]],
  ])('%s is taken', (_what, own, theirs) => {
    expect(sharedDiskObstacles(one(own), [one(own), other(theirs)])).toEqual([]);
  });
});
