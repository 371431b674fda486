import { describe, expect, it } from 'vitest';
import { fleetSchema } from '../../../provider/spec/fleet.ts';
import { guestSchema } from '../../../provider/spec/guest.ts';
import { asItStood, checkSpec, fromSpec, parseKnown, parseSpec } from '../../../provider/terraform/values.ts';
import { BigDecimal, type ObjectValue, UNKNOWN } from '../../../provider/tfplugin/types.ts';

const guest: ObjectValue = {
  id: null,
  host: 'hv1',
  name: 'web1',
  users: 'hv1/per-domain',
  memory_mib: 128,
  vcpus: null,
  kernel: { file: '/boot/vmlinuz', host_file: null, sha256: null },
  initrd: null,
};

const problems = (config: ObjectValue, spec = guestSchema) =>
  checkSpec(spec, config).map(({ path, summary }) => [path, summary]);

describe('a configuration', () => {
  it('becomes what the spec asks for, defaults included', () => {
    const parsed = parseSpec(guestSchema, guest);
    expect(parsed).toMatchObject({
      ok: true,
      value: { memoryMib: 128, vcpus: 1, machine: 'q35', kernel: { file: '/boot/vmlinuz' } },
    });
    expect(parsed.ok && parsed.value).not.toHaveProperty('initrd');
  });

  it('goes back to what Terraform stores', () => {
    const parsed = parseSpec(guestSchema, guest);
    const back = parsed.ok ? fromSpec(guestSchema, parsed.value) : null;
    expect(back).toMatchObject({ memory_mib: 128, initrd: null, kernel: { host_file: null }, vcpus: 1 });
  });

  it('is told all its faults at once, each at its attribute', () => {
    expect(
      problems({
        ...guest,
        name: 'Web 1',
        memory_mib: 0,
        kernel: { file: 'a', host_file: 'b' },
        users: 'hv2/shared',
      }),
    ).toEqual([
      [['name'], expect.stringContaining('name must be a name: lower-case letters')],
      [['memory_mib'], 'memory_mib is too small: expected number to be >=1.'],
      [['kernel', 'host_file'], 'kernel.host_file must be an absolute path.'],
      [['kernel'], 'kernel: exactly one of file and host_file is required.'],
      [['users'], 'users belongs to another host than the guest.'],
    ]);
    expect(problems({ ...guest, users: 'hv2/shared' })).toEqual([
      [['users'], 'users belongs to another host than the guest.'],
    ]);
  });

  it('is not asked for what is not known yet, and is checked in all that is', () => {
    expect(problems({ ...guest, host: UNKNOWN, users: 'hv2/shared' })).toEqual([]);
    expect(
      problems({ ...guest, host: UNKNOWN, memory_mib: 12.5, kernel: { file: UNKNOWN, host_file: null } }),
    ).toEqual([[['memory_mib'], 'memory_mib: Invalid input: expected int, received number.']]);
  });

  it('takes numbers of any size for what they are', () => {
    for (const memory_mib of [2n ** 70n, new BigDecimal('128.5')]) {
      expect(problems({ ...guest, memory_mib }).map(([path]) => path)).toContainEqual(['memory_mib']);
    }
  });
});

describe('what is known of a configuration', () => {
  it('is parsed attribute by attribute, without what is unknown or wrong', () => {
    const partly = {
      ...guest,
      memory_mib: UNKNOWN,
      machine: 'nonsense',
      devices: ['/dev/a', UNKNOWN],
      isolation: { off: UNKNOWN, may_be_missing: ['lsm'], host_dev_mounts: null },
    };
    const known = parseKnown(guestSchema, partly);
    expect(known).toMatchObject({
      name: 'web1',
      vcpus: 1,
      devices: ['/dev/a'],
      isolation: { mayBeMissing: ['lsm'], hostDevMounts: false },
    });
    expect(Object.keys(known)).not.toEqual(expect.arrayContaining(['memoryMib']));
    expect(known).not.toHaveProperty('machine');
  });
});

describe('what was found on a host', () => {
  const plain = { off: [], may_be_missing: [], host_dev_mounts: false };

  it.each([
    ['nothing, as it was written', [], null, null],
    ['nothing, as it was written', [], [], []],
    ['an object of nothing', plain, null, null],
    ['an object of nothing', plain, { ...plain, off: null }, { ...plain, off: null }],
    ['nothing where there was something: that is a difference', [], ['/dev/a'], null],
    ['nothing where there was something', plain, { ...plain, off: ['lsm'] }, null],
    ['something', ['/dev/a'], null, ['/dev/a']],
    [
      'something with nothing in it',
      { ...plain, off: ['lsm'] },
      null,
      { off: ['lsm'], may_be_missing: null, host_dev_mounts: false },
    ],
    [
      'something with nothing in it, as it was written',
      { ...plain, off: ['lsm'] },
      { off: null, may_be_missing: [], host_dev_mounts: true },
      { off: ['lsm'], may_be_missing: [], host_dev_mounts: false },
    ],
    ['a disk', [{ name: 'a', backing: [] }], [{ name: 'a', backing: null }], [{ name: 'a', backing: null }]],
    ['a disk', [{ name: 'a', backing: [] }], null, [{ name: 'a', backing: null }]],
  ])('shows as %s: %j, before %j', (_what, found, prior, shown) => {
    expect(asItStood(found, prior)).toEqual(shown);
  });
});

describe('the inventory', () => {
  const entry = { address: '198.18.0.2', host_key: 'ssh-ed25519 AAAA', private_key_file: 'k' };
  const inventory = (hosts: ObjectValue): ObjectValue => ({ fleet: 'f', hosts });

  it('has names that stay as the user wrote them in paths', () => {
    expect(
      checkSpec(fleetSchema, inventory({ 'hv-one': { ...entry, port: 0 }, 'Bad Name': entry })),
    ).toMatchObject([{ path: ['hosts', 'hv-one', 'port'] }, { path: ['hosts', 'Bad Name'] }]);
  });

  it('is complete where an unknown value may complete it', () => {
    expect(checkSpec(fleetSchema, inventory({ hv1: { ...entry, host_key: UNKNOWN } }))).toEqual([]);
    expect(checkSpec(fleetSchema, inventory({ hv1: { ...entry, host_key: null } }))).toMatchObject([
      { path: ['hosts', 'hv1', 'host_key'] },
    ]);
    expect(checkSpec(fleetSchema, { fleet: UNKNOWN, hosts: UNKNOWN })).toEqual([]);
  });
});
