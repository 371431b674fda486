import { describe, expect, it } from 'vitest';
import type { AccountEntry, AccountFacts } from '../../provider/resources/accounts/facts.ts';
import { parseAccounts } from '../../provider/resources/accounts/facts.ts';
import { qemuUsersObstacles } from '../../provider/resources/qemu-users/checks.ts';
import { type QemuUsersDesired, qemuUsersDesired } from '../../provider/resources/qemu-users/desired.ts';
import { qemuUsersDiff } from '../../provider/resources/qemu-users/diff.ts';
import { parseQemuUsers, type QemuUsersFacts } from '../../provider/resources/qemu-users/facts.ts';
import { intactUsers, qemuUsersIntegrity } from '../../provider/resources/qemu-users/integrity.ts';
import { unite } from '../../provider/resources/qemu-users/names.ts';
import { qemuUsersOperations } from '../../provider/resources/qemu-users/operations.ts';
import { firstDefaultBase, resolveIds } from '../../provider/resources/qemu-users/uid-base.ts';
import { qemuUsersSchema } from '../../provider/spec/qemu-users.ts';

const base = firstDefaultBase;
const right: AccountEntry = {
  uid: base,
  gid: base,
  ours: true,
  home: '/nonexistent',
  shell: '/usr/sbin/nologin',
  password: 'locked',
  groupGid: base,
  groupMembers: '',
};
const reaperUid = base + 32_752;
const reaper = { ...right, uid: reaperUid, gid: reaperUid, groupGid: reaperUid };
const accounts = (more: Partial<AccountFacts> = {}): AccountFacts => ({
  runs: [{ first: 1, last: 64, entry: right }],
  users: new Map([['xen-qemuuser-reaper', reaper]]),
  held: [{ kind: 'uid', first: 0, last: 0, holder: 'user root' }],
  ...more,
});
const facts = (more: Partial<QemuUsersFacts> = {}): QemuUsersFacts => ({
  scheme: 'per-domain',
  record: { generation: 1, uidBase: base, reaperUid },
  damaged: undefined,
  owners: new Map([['test', { generation: 3, firstDomid: 1, lastDomid: 64 }]]),
  otherSets: new Map(),
  leased: [],
  accounts: accounts(),
  ...more,
});
const nobody = { record: undefined, owners: new Map(), accounts: accounts({ runs: [], users: new Map() }) };
const wish = (more: Partial<QemuUsersDesired> = {}) =>
  qemuUsersDesired(qemuUsersSchema.parse({ host: 'hv1', ...more }), 'test');
const idsOf = (desired: QemuUsersDesired, found: QemuUsersFacts) => {
  const ids = resolveIds(desired, found);
  if (!ids.ok) throw new Error('no ids');
  return ids.value;
};
const change = (desired: QemuUsersDesired, found: QemuUsersFacts) =>
  qemuUsersDiff(desired, idsOf(desired, found), found);

describe('a user that we know by another name', () => {
  it.each([
    ['stockade-logger', base + 5],
    ['xen-qemuuser-shared', base + 1],
    ['xen-qemuuser-reaper', base + 64],
  ])('%s is in the way where it has a uid of the set', (name, uid) => {
    const users = new Map([
      ['xen-qemuuser-reaper', reaper],
      [name, { ...right, uid, gid: uid, groupGid: uid }],
    ]);
    const found = facts({ accounts: accounts({ users }) });
    const desired = wish({ lastDomid: 64 });
    const obstacles = qemuUsersObstacles(desired, idsOf(desired, found), found);
    expect(obstacles.map(({ summary }) => summary)).toContain(
      `uid ${uid} is wanted, but belongs to user ${name}`,
    );
    const past = wish({ lastDomid: 64, firstDomid: 6 });
    const free = facts({ accounts: accounts({ users: new Map([['xen-qemuuser-reaper', reaper]]) }) });
    expect(qemuUsersObstacles(past, idsOf(past, free), free)).toEqual([]);
  });
});

describe('the ids of users', () => {
  it('lie above every range that distributions give out', () => {
    expect(idsOf(wish(), facts(nobody))).toEqual({ uidBase: base, reaperUid });
  });

  it('avoid what is held, another scheme and users of ours without a record', () => {
    const held = [{ kind: 'gid' as const, first: base + 32_767, last: base + 32_767, holder: 'group x' }];
    const found = facts({ ...nobody, accounts: accounts({ runs: [], users: new Map(), held }) });
    expect(idsOf(wish(), found).uidBase).toBe(base + 65_536);
    const beside = facts({
      ...nobody,
      otherSets: new Map([['range', { generation: 1, uidBase: base, reaperUid: 4711 }]]),
    });
    expect(idsOf(wish(), beside)).toEqual({ uidBase: base + 65_536, reaperUid: 4711 });
  });

  it('stay with users that are there, whose record was lost', () => {
    const entry = { ...right, uid: 200_000, gid: 200_000, groupGid: 200_000 };
    const found = facts({ ...nobody, accounts: accounts({ runs: [{ first: 1, last: 9, entry }] }) });
    expect(idsOf(wish(), found).uidBase).toBe(200_000);
  });

  it('are refused where no block is free', () => {
    const held = [{ kind: 'uid' as const, first: 0, last: 4_294_967_295, holder: 'subordinate range' }];
    const result = resolveIds(
      wish(),
      facts({ ...nobody, accounts: accounts({ runs: [], users: new Map(), held }) }),
    );
    expect(result).toMatchObject({ ok: false, diagnostics: [{ code: 'no-free-uids', path: ['uid_base'] }] });
  });

  it.each([
    [65_534 - 64, 'uid-forbidden'],
    [4_200_000_000, undefined],
  ])('from %d on: %s', (uidBase, code) => {
    const desired = wish({ uidBase });
    const found = facts(nobody);
    expect(qemuUsersObstacles(desired, idsOf(desired, found), found)[0]?.code).toBe(code);
  });
});

describe('users that guests run as', () => {
  const found = facts({
    leased: [
      { guest: 'web1', owner: 'test', uid: base + 5 },
      { guest: 'web2', owner: 'test', uid: base + 60 },
      { guest: 'theirs', owner: 'other', uid: base + 61 },
      { guest: 'beside', owner: 'test', uid: 4711 },
    ],
  });
  const obstacles = (more: Partial<QemuUsersDesired>) => {
    const desired = wish(more);
    return qemuUsersObstacles(desired, idsOf(desired, found), found);
  };

  it('stay in the range', () => {
    expect(obstacles({ lastDomid: 60 })).toEqual([]);
    expect(obstacles({ lastDomid: 59 })).toMatchObject([
      {
        code: 'users-in-use',
        path: ['last_domid'],
        summary: `guest web2 runs as uid ${base + 60} of this set`,
      },
    ]);
    expect(obstacles({ firstDomid: 6 })).toMatchObject([{ code: 'users-in-use', path: ['first_domid'] }]);
  });

  it('keep their base', () => {
    expect(obstacles({ uidBase: base })).toEqual([]);
    expect(obstacles({ uidBase: 300_000 })).toMatchObject([
      {
        code: 'users-in-use',
        path: ['uid_base'],
        summary: `guest web1 (and 1 more) runs as uid ${base + 5} of this set`,
      },
    ]);
  });

  it('keep the base of the one they share', () => {
    const shared = facts({ scheme: 'shared', leased: [{ guest: 'web1', owner: 'test', uid: base }] });
    const there = wish({ scheme: 'shared', uidBase: base });
    expect(qemuUsersObstacles(there, idsOf(there, shared), shared)).toEqual([]);
    const moved = wish({ scheme: 'shared', uidBase: 300_000 });
    expect(qemuUsersObstacles(moved, idsOf(moved, shared), shared)).toMatchObject([{ code: 'users-in-use' }]);
  });
});

describe('the difference between users asked for and found', () => {
  it('is nothing when all is well, and then there is nothing to do', () => {
    const [desired, found] = [wish(), facts()];
    expect(qemuUsersIntegrity(found, 'test')).toEqual(intactUsers);
    const none = change(desired, found);
    expect(none).toMatchObject({ action: 'noop', disruption: 'none', reasons: [] });
    expect(qemuUsersOperations({ change: none, desired, ids: idsOf(desired, found), facts: found })).toEqual(
      [],
    );
  });

  it('is a creation where the fleet has no part in the set', () => {
    expect(change(wish(), facts(nobody)).action).toBe('create');
    expect(
      change(wish(), facts({ owners: new Map([['other', { generation: 1, firstDomid: 1, lastDomid: 64 }]]) }))
        .action,
    ).toBe('create');
  });

  it('names each field', () => {
    expect(change(wish({ firstDomid: 2, lastDomid: 100 }), facts())).toMatchObject({
      action: 'update',
      disruption: 'live',
      reasons: [
        { path: ['firstDomid'], before: '1', after: '2' },
        { path: ['lastDomid'], before: '64', after: '100' },
      ],
    });
    expect(change(wish({ uidBase: 300_000 }), facts())).toMatchObject({
      action: 'replace',
      reasons: [{ path: ['uidBase'], before: String(base), after: '300000' }],
    });
  });

  it('counts what is missing, changed and left over', () => {
    const runs = [
      { first: 1, last: 2, entry: right },
      { first: 4, last: 9, entry: { ...right, shell: '/bin/\u001b[31msh' } },
      { first: 11, last: 66, entry: right },
    ];
    const found = qemuUsersIntegrity(facts({ accounts: accounts({ runs, users: new Map() }) }), 'test');
    expect(found).toEqual({
      users:
        'missing xen-qemuuser-domid3 (and 1 more); changed xen-qemuuser-domid4: shell /bin/?[31msh (and 5 more); unexpected xen-qemuuser-domid65 (and 1 more)',
      groups: 'missing xen-qemuuser-domid3 (and 1 more)',
      reaper: 'missing',
      record: 'ok',
    });
  });

  it('sees a lost record', () => {
    expect(qemuUsersIntegrity(facts({ record: undefined }), 'test').record).toBe('missing');
    expect(qemuUsersIntegrity(facts({ record: undefined, damaged: 'cut off' }), 'test').record).toBe(
      'cut off',
    );
  });
});

describe('what a host prints of its users', () => {
  const accountsText =
    'id:u:root:0\nid:g:root:0\nsub:u:alice:100000:65536\nrun:1:64:7:7:Stockade:/nonexistent:/usr/sbin/nologin:locked:7:\nuser:xen-qemuuser-reaper:9:9:x:/:/bin/sh:open:9:a,b\nend\n';
  const print = (records: string, leases = '', text = accountsText) =>
    Buffer.from(`${records}\0${leases}\0${text}\0`);

  it('is read', () => {
    const state = '/var/lib/stockade';
    const records = [
      `${state}/users/range:stockade-record 1`,
      `${state}/users/range:owner test`,
      `${state}/users/range:generation 2`,
      `${state}/users/range:uid_base 7`,
      `${state}/users/range:reaper_uid 9`,
      `${state}/users/range.owners/test:stockade-record 1`,
      `${state}/users/range.owners/test:owner test`,
      `${state}/users/range.owners/test:generation 4`,
      `${state}/users/range.owners/test:first_domid 1`,
      `${state}/users/range.owners/test:last_domid 64`,
      `${state}/users/shared:nonsense`,
      '',
    ].join('\n');
    const leases = `${state}/guests/web1/lease:uid 8\n${state}/guests/web1/record:owner test\n${state}/guests/x/lease:uid 9\n`;
    const parsed = parseQemuUsers(print(records, leases));
    if (!parsed.ok) throw new Error('not read');
    expect(parsed.value.get('range')).toMatchObject({
      record: { generation: 2, uidBase: 7, reaperUid: 9 },
      owners: new Map([['test', { generation: 4, firstDomid: 1, lastDomid: 64 }]]),
      leased: [{ guest: 'web1', owner: 'test', uid: 8 }],
    });
    expect(parsed.value.get('shared')?.damaged).toMatch(/not a readable record/);
    expect(parsed.value.get('per-domain')?.record).toBeUndefined();
    expect([...(parsed.value.get('per-domain')?.otherSets.keys() ?? [])]).toEqual(['range']);
    expect(parsed.value.get('range')?.accounts.held).toEqual([
      { kind: 'uid', first: 0, last: 0, holder: 'user root' },
      { kind: 'gid', first: 0, last: 0, holder: 'group root' },
      { kind: 'uid', first: 100_000, last: 165_535, holder: 'the subordinate uid range of alice' },
    ]);
  });

  it('is refused where it is cut', () => {
    const whole = print('');
    for (let length = 0; length < whole.length; length++) {
      expect(parseQemuUsers(whole.subarray(0, length)).ok).toBe(false);
    }
    expect(parseAccounts('id:u:root:0\n').ok).toBe(false);
  });

  it('does not come to harm by nonsense', () => {
    const odd = 'run:a:b\nrun:1:\nid:u:x:99999999999\nid:u::\nsub:u:x:-5:1\nuser\n:::\nend\n';
    const parsed = parseAccounts(odd);
    expect(parsed).toMatchObject({ ok: true, value: { runs: [], held: [] } });
  });
});

it('unites ranges where they touch', () => {
  const range = (firstDomid: number, lastDomid: number) => ({ firstDomid, lastDomid });
  expect(unite([range(10, 20), range(1, 3), range(4, 6), range(15, 30), range(40, 40)])).toEqual([
    range(1, 6),
    range(10, 30),
    range(40, 40),
  ]);
});
