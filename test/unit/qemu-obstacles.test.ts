import { describe, expect, it } from 'vitest';
import { planHost } from '../../provider/engine/plan.ts';
import { LocalFiles } from '../../provider/executor/local-files.ts';
import type { GuestDesired } from '../../provider/resources/guest/desired.ts';
import { sharedDiskObstacles } from '../../provider/resources/guest/qemu-obstacles.ts';
import { guestObstacles } from '../../provider/resources/guest/render.ts';
import type { QemuCapabilities } from '../../provider/toolstacks/qemu/capabilities.types.ts';
import { guestKind } from '../../provider/terraform/kinds/guest.ts';
import { simulatedHost } from '../bench/simulated-host.ts';
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

describe('an image of a guest that is on the host and none of this plan', () => {
  const at = { host: 'hv1', fleet: 'fleet-1' };
  const wishOf = (...guests: readonly GuestDesired[]) => ({
    host: { ...at, qemuBinary: undefined, toolstack: 'qemu' as const },
    users: [{ ...at, scheme: 'per-domain' as const, firstDomid: 1, lastDomid: 64, uidBase: undefined }],
    ...{ guests, uploads: new Map() },
  });
  const web1 = sampleGuest({ disks: [disk('/a')] });
  const refused = (found: readonly { code: string }[]) => found.map(({ code }) => code);
  const planned = (...there: readonly GuestDesired[]) => {
    const plan = planHost(
      wishOf(web1),
      simulatedHost(wishOf(...there), (guest) => guest),
    );
    return refused(plan.ok ? [] : plan.diagnostics);
  };
  const seen = (...there: readonly GuestDesired[]) =>
    refused(
      guestKind(new LocalFiles()).obstacles(
        { desired: web1, uploads: new Map(), shareDrivers: undefined },
        simulatedHost(wishOf(web1, ...there), (guest) => guest),
      ),
    );
  const db1 = (change: Partial<GuestDesired> = {}) =>
    sampleGuest({ name: 'db1', disks: [disk('/a')], ...change });

  it('is not written to', () => {
    expect(planned(db1())).toEqual(['disk-shared']);
    expect(planned(db1({ fleet: 'other' }))).toEqual(['disk-shared']);
    expect(planned(db1({ disks: [disk('/b')] }))).toEqual([]);
    expect(planned(web1)).toEqual([]);
  });

  it('nor under Terraform, which plans each guest by itself: one of the fleet may be about to give it up', () => {
    expect(seen(db1({ fleet: 'other' }))).toEqual(['disk-shared']);
    expect(seen(db1())).toEqual([]);
  });
});
