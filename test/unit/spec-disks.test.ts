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
const disksOf = (count: number, change: Readonly<Record<string, unknown>> = {}) =>
  Array.from({ length: count }, (_, at) => ({ ...disk, name: `d${at}`, path: `/srv/${at}`, ...change }));

function faults(disks: unknown) {
  const parsed = guestSchema.safeParse({ ...guest, disks });
  return parsed.success ? [] : parsed.error.issues.map(({ path, message }) => [path.join('.'), message]);
}

describe('a disk is refused', () => {
  it.each([
    ['a seventh that is written to', disksOf(7), 'disks', /at most 6 cases, not 7/],
    [
      'a seventh that is a block device',
      [...disksOf(6), { name: 'x', path: '/dev/vg/x', format: 'raw', readonly: true }],
      'disks',
      /at most 6 cases, not 7/,
    ],
    ['without a size', [{ ...disk, sizeMib: undefined }], 'disks.0.sizeMib', /is required of a file/],
    ['with too long a name', [{ ...disk, name: 'a'.repeat(21) }], 'disks.0.name', /may have 20 characters/],
    [
      'raw on something else',
      [{ ...disk, backing: [{ path: '/base', format: 'raw' }] }],
      'disks.0.backing.0',
      /is below a raw image/,
    ],
    [
      'on a raw image in the middle',
      [
        {
          ...disk,
          format: 'qcow2',
          backing: [
            { path: '/a', format: 'raw' },
            { path: '/b', format: 'raw' },
          ],
        },
      ],
      'disks.0.backing.1',
      /is below a raw image/,
    ],
    [
      'on a block device',
      [{ ...disk, format: 'qcow2', backing: [{ path: '/dev/sda', format: 'raw' }] }],
      'disks.0.backing.0.path',
      /must be a file, not a block device/,
    ],
  ])('%s', (_what, disks, path, message) => {
    expect(faults(disks)).toEqual([[path, expect.stringMatching(message)]]);
  });
});

it.each([
  [
    'six that are written to and ten that are read',
    [
      ...disksOf(6),
      ...disksOf(10, { readonly: true }).map((each, at) => ({ ...each, name: `r${at}`, path: `/r/${at}` })),
    ],
  ],
  ['a block device without a size', [{ ...disk, path: '/dev/vg/data', sizeMib: undefined }]],
  ['a disk that is only read, without a size', [{ ...disk, readonly: true, sizeMib: undefined }]],
  [
    'a chain that ends in a raw image',
    [
      {
        ...disk,
        format: 'qcow2',
        backing: [
          { path: '/a', format: 'qcow2' },
          { path: '/b', format: 'raw' },
        ],
      },
    ],
  ],
])('taken: %s', (_what, disks) => {
  expect(faults(disks)).toEqual([]);
});
