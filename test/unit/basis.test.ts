import { describe, expect, it } from 'vitest';
import {
  type Basis,
  basisDifferences,
  basisOf,
  type ChangedObject,
  digestOf,
} from '../../provider/engine/basis.ts';
import type { HostWish } from '../../provider/engine/plan.ts';
import type { HostSnapshot } from '../../provider/engine/snapshot.ts';
import type { GuestFacts } from '../../provider/resources/guest/facts.ts';
import type { ShareSourceFacts } from '../../provider/resources/guest/share-sources.ts';
import type { HostFacts } from '../../provider/resources/host/facts.ts';
import type { QemuUsersFacts } from '../../provider/resources/qemu-users/facts.ts';
import type { XenCapabilities } from '../../provider/toolstacks/xl/capabilities.types.ts';
import { simulatedHost } from '../bench/simulated-host.ts';
import { sampleEvidence, sampleGuest, sampleGuestFacts, sampleQemu, sampleShare } from '../samples.ts';

const fleet = 'fleet-1';
const guest = sampleGuest({ initrd: undefined, shares: [sampleShare()] });
const wish: HostWish = {
  host: { host: 'hv1', fleet, qemuBinary: undefined, toolstack: 'qemu' },
  users: [
    { host: 'hv1', fleet, scheme: 'per-domain', firstDomid: 1, lastDomid: 64, uidBase: undefined },
    { host: 'hv1', fleet, scheme: 'range', firstDomid: 1, lastDomid: 64, uidBase: undefined },
  ],
  guests: [guest, sampleGuest({ name: 'db1', scheme: 'range' })],
  uploads: new Map(),
};
const at = (kind: 'guest' | 'host' | 'qemu-users', name: string) => ({ kind, host: 'hv1', name });
const restarts: readonly ChangedObject[] = [{ address: at('guest', 'web1'), action: 'restart' }];

const xen: XenCapabilities = {
  ...{ version: '4.17.5', major: 4, minor: 17, isControlDomain: true, totalMemoryMib: 4096 },
  ...{ freeMemoryMib: 1024, deviceModel: undefined, untrusted: undefined },
  ...{ handleChecker: undefined, python: undefined, complaint: '' },
};
const source: ShareSourceFacts = {
  parts: [
    { path: '/', type: 'directory', mode: 0o755, uid: 0 },
    { path: '/srv/data', type: 'directory', mode: 0o700, uid: 0 },
  ],
  resolved: '/srv/data',
  mount: { point: '/srv', type: 'ext4', options: new Set(['nosuid', 'nodev']) },
  elsewhere: [{ path: '/mnt/data', options: new Set(['nodev']), common: 0 }],
};
const simulated = simulatedHost(wish, (one) => one);
const before: HostSnapshot = {
  ...simulated,
  facts: { ...simulated.facts, capabilities: { ...simulated.facts.capabilities, xen } },
  sources: new Map([['/srv/data', source]]),
};

/** Names of what differs, when something else was seen. */
function differences(now: Partial<HostSnapshot>, changed = restarts, of = wish): readonly string[] {
  const [then, later] = [before, { ...before, ...now }].map((seen) => basisOf(of, changed, seen));
  // as it comes back from a file
  return basisDifferences(JSON.parse(JSON.stringify(then)) as Basis, later ?? {}).map((text) =>
    text.startsWith('directory ') || text.startsWith('file ')
      ? (text.split(': ')[0] ?? '')
      : text.split(': ').slice(0, 2).join(': '),
  );
}

const facts = (change: Partial<HostFacts>) => ({ facts: { ...before.facts, ...change } });
const capabilities = (change: Partial<HostFacts['capabilities']>) =>
  facts({ capabilities: { ...before.facts.capabilities, ...change } });
const users = (scheme: 'per-domain' | 'range', change: Partial<QemuUsersFacts>) => {
  const seen = before.users.get(scheme);
  if (seen === undefined) throw new Error('no users');
  return { users: new Map([...before.users, [scheme, { ...seen, ...change }] as const]) };
};
const web1 = (change: Partial<GuestFacts>) => guests('web1', change);
function guests(name: string, change: Partial<GuestFacts>) {
  const known = before.guests.get(name) ?? sampleGuestFacts(sampleGuest({ name }));
  return { guests: new Map([...before.guests, [name, { ...known, ...change }] as const]) };
}
const evidence = (name: string, change: Parameters<typeof sampleEvidence>[1]) => ({
  evidence: new Map([...before.evidence, [name, sampleEvidence(sampleGuest({ name }), change)] as const]),
});
const shared = (change: Partial<ShareSourceFacts>) => ({
  sources: new Map([['/srv/data', { ...source, ...change }]]),
});
const layers = (state: 'ineffective' | 'effective') =>
  evidence('web1', {
    layers: [{ layer: 'seccomp', state, requested: 'x', observed: 'other words', raw: [] }],
  });

describe('what a change of a guest rests on', () => {
  it.each<[string, Partial<HostSnapshot>, string]>([
    ['its record was written', web1({ generation: 2 }), 'guest web1 on hv1: generation'],
    ['it has another definition', web1({ digest: 'x' }), 'guest web1 on hv1: definition'],
    ['it is another fleet’s', web1({ owner: 'other' }), 'guest web1 on hv1: owner'],
    ['its unit has an addition', web1({ foreignUnitFiles: ['/x'] }), 'guest web1 on hv1: unit'],
    ['its files were changed', web1({ changedFiles: ['b'.repeat(64)] }), 'guest web1 on hv1: files'],
    ['it has ended', evidence('web1', { running: false }), 'guest web1 on hv1: process'],
    ['its isolation broke', layers('ineffective'), 'guest web1 on hv1: isolation'],
    ['a file that it needs is gone', { files: new Set() }, `file sha256:${'b'.repeat(64)}`],
    ['another QEMU is there', capabilities({ qemu: { ...sampleQemu, version: '10.0' } }), 'host hv1: QEMU'],
    [
      'its QEMU lost seccomp',
      capabilities({ qemu: { ...sampleQemu, seccomp: false } }),
      'host hv1: capabilities',
    ],
    [
      'its QEMU is another file',
      capabilities({ qemu: { ...sampleQemu, inode: 1 } }),
      'host hv1: capabilities',
    ],
    ['control groups are gone', capabilities({ cgroupVersion: undefined }), 'host hv1: capabilities'],
    ['another Xen is there', capabilities({ xen: { ...xen, version: '4.20.0' } }), 'host hv1: capabilities'],
    ['the unit template was edited', facts({ foreignUnitFiles: ['/x'] }), 'host hv1: unitTemplate'],
    ['the host is not prepared', facts({ owners: new Map() }), 'host hv1: generation'],
    [
      'its users have another base',
      users('per-domain', { record: { generation: 1, uidBase: 7, reaperUid: 8 } }),
      'qemu-users per-domain on hv1: uidBase',
    ],
    [
      'the directory it shares is open to all',
      shared({ parts: [{ path: '/', type: 'directory', mode: 0o777, uid: 0 }] }),
      'directory /srv/data',
    ],
    [
      'that was remounted',
      shared({ mount: { point: '/srv', type: 'ext4', options: new Set(['nodev']) } }),
      'directory /srv/data',
    ],
    [
      'it is seen elsewhere otherwise',
      shared({ elsewhere: [{ path: '/mnt/data', options: new Set(), common: 0 }] }),
      'directory /srv/data',
    ],
    ['it is not there any more', { sources: new Map() }, 'directory /srv/data'],
  ])('%s', (_what, now, name) => {
    expect(differences(now)).toContain(name);
  });

  it.each<[string, Partial<HostSnapshot>]>([
    ['nothing', {}],
    ['a reboot', capabilities({ bootId: 'other', kernel: '6.9' })],
    ['a domain that started', capabilities({ xen: { ...xen, freeMemoryMib: 1, complaint: 'busy' } })],
    ['a guest beside it', guests('db1', { generation: 9 })],
    ['another guest of the fleet', guests('new', {})],
    ['another fleet’s guest', guests('theirs', { owner: 'other' })],
    ['what runs beside it', evidence('db1', { running: false })],
    ['users of another kind', users('range', { record: undefined })],
    [
      'another process',
      evidence('web1', {
        processes: [
          {
            role: 'device-model',
            pid: 7,
            executableDevice: 1,
            executableInode: 1,
            startTimeTicks: 1,
            bootId: 'x',
          },
        ],
      }),
    ],
    ['other words of the same evidence', layers('effective')],
    ['files that nobody asked for', { files: new Set([...before.files, 'f'.repeat(64)]) }],
    [
      'mount options in another order',
      shared({ mount: { point: '/srv', type: 'ext4', options: new Set(['nodev', 'nosuid']) } }),
    ],
  ] as const)('and not on %s', (_what, now) => {
    expect(differences(now)).toEqual([]);
  });
});

describe('a removal rests on what needs what goes', () => {
  const removed = (kind: 'host' | 'qemu-users', name: string): readonly ChangedObject[] => [
    { address: at('guest', 'web1'), action: 'delete' },
    { address: at(kind, name), action: 'delete' },
  ];
  const more = guests('new', {});

  it.each([
    ['users', removed('qemu-users', 'per-domain')],
    ['the host', removed('host', 'hv1')],
  ])('%s: on which guests of the fleet there are', (_what, changed) => {
    expect(differences(more, changed)).toEqual(['host hv1: guests of fleet fleet-1']);
    expect(differences(guests('theirs', { owner: 'other' }), changed)).toEqual([]);
  });

  it('the host: on which users of the fleet there are', () => {
    const none = users('range', { owners: new Map() });
    expect(differences(none, removed('host', 'hv1'))).toEqual(['host hv1: users of fleet fleet-1']);
  });

  it('what is changed, not removed, does not', () => {
    expect(differences(more, [{ address: at('host', 'hv1'), action: 'update' }])).toEqual([]);
  });
});

it('long names and values are told by their beginning and a digest', () => {
  const path = `/${'d/'.repeat(2000)}x`;
  const long = { ...wish, guests: [{ ...guest, shares: [sampleShare({ source: path })] }] };
  const launchError = 'e'.repeat(5000);
  const basis = basisOf(long, restarts, { ...before, ...web1({ launchError, owner: 'o'.repeat(5000) }) });
  for (const text of Object.entries(basis).flat()) expect(text.length).toBeLessThan(1100);
  expect(Object.keys(basis).filter((name) => name.startsWith('directory /d/'))).toHaveLength(1);
});

it('nothing changed rests on nothing', () => {
  expect(basisOf(wish, [], before)).toEqual({});
});

describe('a digest', () => {
  it.each([
    [new Set(['a']), new Set(['b'])],
    [new Map([['a', 1]]), new Map([['a', 2]])],
    [{ deep: [{ in: new Set([1]) }] }, { deep: [{ in: new Set([2]) }] }],
  ])('of %j is not that of %j', (one, other) => {
    expect(digestOf(one)).not.toBe(digestOf(other));
  });

  it('does not depend on how a set or a map was filled', () => {
    expect(digestOf(new Set(['a', 'b']))).toBe(digestOf(new Set(['b', 'a'])));
    expect(
      digestOf(
        new Map([
          ['a', new Set([1, 2])],
          ['b', new Set()],
        ]),
      ),
    ).toBe(
      digestOf(
        new Map([
          ['b', new Set()],
          ['a', new Set([2, 1])],
        ]),
      ),
    );
  });
});
