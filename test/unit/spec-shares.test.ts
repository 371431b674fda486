import { describe, expect, it } from 'vitest';
import { guestSchema } from '../../provider/spec/guest.ts';
import { pathRelation } from '../../provider/spec/plain-path.ts';

const guest = {
  host: 'hv1',
  name: 'web1',
  users: 'hv1/per-domain',
  memoryMib: 128,
  kernel: { hostFile: '/boot/vmlinuz' },
};
type Row = Readonly<Record<string, unknown>>;
const share = (change: Row = {}): Row => ({ tag: 'data', source: '/srv/data', ...change });
const range = (first: number, host: number, count: number) => ({ guest: first, host, count });

function faults(shares: readonly Row[], more: Row = {}) {
  const parsed = guestSchema.safeParse({ ...guest, shares, ...more });
  return parsed.success ? [] : parsed.error.issues.map(({ path, message }) => [path.join('.'), message]);
}

describe('a share is refused', () => {
  it.each<[string, Row, string, RegExp]>([
    [
      'with a security model and another driver',
      { driver: 'proxy', securityModel: 'mapped-file' },
      'securityModel',
      /option of driver local, not of proxy/,
    ],
    [
      'with a cache and another driver',
      { driver: 'local', cache: 'never' },
      'cache',
      /option of driver virtiofs, not of local/,
    ],
    [
      'with submounts and another driver',
      { driver: 'proxy', announceSubmounts: false },
      'announceSubmounts',
      /of driver virtiofs, not of proxy/,
    ],
    [
      'with users and another driver',
      { driver: 'proxy', uidMap: [range(0, 1000, 1)] },
      'uidMap',
      /of driver virtiofs/,
    ],
    [
      'with groups and another driver',
      { driver: 'local', gidMap: [range(0, 1000, 1)] },
      'gidMap',
      /of driver virtiofs/,
    ],
    [
      'with options that no driver has together',
      { securityModel: 'mapped-file', cache: 'never' },
      'securityModel',
      /is an option of local, and cache of virtiofs: no driver has both/,
    ],
    [
      'whose users overlap in the guest',
      { uidMap: [range(0, 1000, 10), range(9, 2000, 1)] },
      'uidMap.1.guest',
      /overlap an earlier range on the guest/,
    ],
    [
      'whose users overlap on the host',
      { uidMap: [range(0, 1000, 10), range(50, 1009, 1)] },
      'uidMap.1.host',
      /overlap an earlier range on the host/,
    ],
    ['whose groups overlap', { gidMap: [range(5, 1000, 1), range(5, 2000, 1)] }, 'gidMap.1.guest', /overlap/],
    [
      'with more users than there are',
      { uidMap: [range(4_294_967_000, 0, 1000)] },
      'uidMap.0.count',
      /beyond the last id, 4294967294, on the guest/,
    ],
    [
      'that keeps attributes without a /proc',
      { driver: 'local', securityModel: 'mapped-xattr' },
      'securityModel',
      /choose mapped-file, or have chroot in isolation\.off/,
    ],
    ['that keeps nothing without a /proc', { securityModel: 'none' }, 'securityModel', /choose mapped-file/],
    ['that is the whole host', { source: '/' }, 'source', /not the whole host/],
    ['with detours', { source: '/srv//data/' }, 'source', /must be written without detours: \/srv\/data$/],
    ['with a tag that is too long', { tag: 'a'.repeat(32) }, 'tag', /31 at most/],
  ])('%s', (_what, change, path, message) => {
    expect(faults([share(change)])).toEqual([[`shares.0.${path}`, expect.stringMatching(message)]]);
  });

  it.each<[string, Row, Row, string, RegExp]>([
    ['twice by one tag', {}, { source: '/srv/other' }, 'tag', /is the tag of another share too: data/],
    [
      'twice where the first is written to',
      { readonly: false },
      { tag: 'b' },
      'source',
      /is the directory of share data, \/srv\/data, and one of the two is written to/,
    ],
    [
      'twice where the second is written to',
      {},
      { tag: 'b', readonly: false },
      'source',
      /is the directory of share data/,
    ],
    [
      'inside one that is written to',
      { readonly: false },
      { tag: 'b', source: '/srv/data/x' },
      'source',
      /is inside the directory of share data/,
    ],
    [
      'around one that is written to',
      { readonly: false },
      { tag: 'b', source: '/srv' },
      'source',
      /contains the directory of share data/,
    ],
  ])('%s', (_what, one, other, path, message) => {
    expect(faults([share(one), share(other)])).toEqual([
      [`shares.1.${path}`, expect.stringMatching(message)],
    ]);
  });

  it('with a machine that has no bus for it', () => {
    expect(faults([share()], { machine: 'isapc' })).toEqual([
      ['shares', expect.stringContaining('cannot be had with machine isapc')],
    ]);
  });
});

it.each<[string, readonly Row[], Row]>([
  [
    'the options of virtiofs',
    [
      share({
        cache: 'never',
        uidMap: [range(0, 1000, 10), range(10, 2000, 5)],
        gidMap: [range(0, 1010, 1), range(1, 1000, 10)],
      }),
    ],
    {},
  ],
  ['all ids there are', [share({ uidMap: [range(1, 0, 4_294_967_294)] })], {}],
  [
    'a model that needs a /proc, without a chroot',
    [share({ securityModel: 'mapped-xattr' })],
    { isolation: { off: ['chroot'] } },
  ],
  ['one directory twice, to be read', [share(), share({ tag: 'b', source: '/srv/data/x' })], {}],
  [
    'two that only begin alike',
    [share({ readonly: false }), share({ tag: 'b', source: '/srv/data2', readonly: false })],
    {},
  ],
])('taken: %s', (_what, shares, more) => {
  expect(faults(shares, more)).toEqual([]);
});

it.each([
  ['/srv', '/srv', 'same'],
  ['/srv//a/.', '/srv/a/', 'same'],
  ['/srv/a', '/srv', 'below'],
  ['/srv', '/srv/a', 'above'],
  ['/srv/a', '/', 'below'],
  ['/', '/srv', 'above'],
  ['/srv/a', '/srv/ab', undefined],
] as const)('%s to %s: %s', (one, other, relation) => {
  expect(pathRelation(one, other)).toBe(relation);
});
