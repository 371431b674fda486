import { describe, expect, it } from 'vitest';
import { expand } from '../../../provider/cli/expand.ts';
import { everything, selectionOf } from '../../../provider/cli/selection.ts';
import { joinPlans, planRemovals } from '../../../provider/engine/removals.ts';
import type { HostSnapshot } from '../../../provider/engine/snapshot.ts';
import { orderOperations } from '../../../provider/executor/order.ts';
import { LocalFiles } from '../../../provider/executor/local-files.ts';
import type { Operation } from '../../../provider/model/operation.ts';
import { sh } from '../../../provider/model/shell.ts';
import type { Definitions } from '../../../provider/spec/definitions.ts';
import { readDefinitions } from '../../../provider/spec/yaml/read.ts';
import { sampleGuestFacts, sampleGuest } from '../../samples.ts';

function definitions(): Definitions {
  const text = `
fleet: prod
hosts:
  hv1: { address: a, hostKey: ssh-ed25519 AAAA, agent: true, qemuBinary: /opt/qemu }
  hv2: { address: b, hostKey: ssh-ed25519 AAAA, agent: true }
users: [{ host: hv1 }, { host: hv1, scheme: range }, { host: hv2 }]
defaults: { guests: { memoryMib: 64, kernel: { hostFile: /boot/k } } }
guests:
  web1: { host: hv1, users: per-domain }
  db1: { host: hv1, users: range }
  web2: { host: hv2 }
`;
  const read = readDefinitions([{ name: 'x.yaml', text }]);
  if (!read.ok) throw new Error(read.diagnostics[0]?.summary);
  return read.value;
}

async function expanded(limit: readonly string[] = [], exclude: readonly string[] = [], destroy = false) {
  const selection = selectionOf(limit, exclude);
  if (!selection.ok) throw new Error('bad pattern');
  const made = await expand(definitions(), new LocalFiles(), { selection: selection.value, destroy });
  if (!made.ok) throw new Error(made.diagnostics[0]?.summary);
  return made.value;
}

const names = (intents: Awaited<ReturnType<typeof expanded>>) =>
  intents.map(({ target, makes, wish }) => [
    target.host,
    makes,
    wish.users.map(({ scheme }) => scheme).join(' '),
    wish.guests.map(({ name }) => name).join(' '),
  ]);

describe('definitions as what each host is to be like', () => {
  it('have every host with its users and guests', async () => {
    const all = await expanded();
    expect(names(all)).toEqual([
      ['hv1', true, 'per-domain range', 'web1 db1'],
      ['hv2', true, 'per-domain', 'web2'],
    ]);
    expect(all[0]?.wish.host).toEqual({
      host: 'hv1',
      fleet: 'prod',
      qemuBinary: '/opt/qemu',
      toolstack: 'qemu',
    });
    expect(all[0]?.wish.guests[0]).toMatchObject({
      fleet: 'prod',
      kernel: { kind: 'host', path: '/boot/k' },
    });
  });

  it('of a guest alone have what it needs, and leave all else as it is', async () => {
    const [one, ...more] = await expanded(['db1']);
    expect(names(one === undefined ? [] : [one])).toEqual([['hv1', true, 'range', 'db1']]);
    expect(more).toEqual([]);
    expect(one?.keeps({ kind: 'guest', host: 'hv1', name: 'web1' })).toBe(true);
    expect(one?.keeps({ kind: 'guest', host: 'hv1', name: 'undefined' })).toBe(true);
    expect(one?.keeps({ kind: 'qemu-users', host: 'hv1', name: 'shared' })).toBe(true);
  });

  it('keep what is defined, and what is left out', async () => {
    const [one] = await expanded([], ['hv1/old*']);
    const keeps = (name: string) => one?.keeps({ kind: 'guest', host: 'hv1', name });
    expect([keeps('web1'), keeps('old1'), keeps('gone')]).toEqual([true, true, false]);
    expect(one?.keeps({ kind: 'host', host: 'hv1', name: 'hv1' })).toBe(true);
  });

  it('to be destroyed make nothing, and keep only what is left out', async () => {
    const [one, other] = await expanded([], ['hv2'], true);
    expect(names(one === undefined ? [] : [one])).toEqual([['hv1', false, 'per-domain range', '']]);
    expect(other).toBe(undefined);
    expect(one?.keeps({ kind: 'guest', host: 'hv1', name: 'web1' })).toBe(false);
  });

  it.each([[['web1']], [['web1', 'hv2/none']], [['web?'], ['web2', 'hv2']]])(
    'to be destroyed as far as %j say: the hosts of guests that are named alone are looked at too',
    async (limit, exclude: readonly string[] = []) => {
      const [one] = await expanded(limit, exclude, true);
      expect(names(one === undefined ? [] : [one])).toEqual([['hv1', false, '', '']]);
      const keeps = (name: string) => one?.keeps({ kind: 'guest', host: 'hv1', name });
      expect([keeps('web1'), keeps('db1')]).toEqual([false, true]);
      expect(one?.keeps({ kind: 'qemu-users', host: 'hv1', name: 'per-domain' })).toBe(true);
    },
  );
});

const snapshot = (owners: Readonly<Record<string, string>>) => {
  const guests = Object.entries(owners).map(
    ([name, owner]) => [name, { ...sampleGuestFacts(sampleGuest({ name })), owner, generation: 7 }] as const,
  );
  return {
    host: 'hv1',
    guests: new Map(guests),
    users: new Map([['per-domain', { owners: new Map([['prod', { generation: 2 }]]) }]]),
    facts: { owners: new Map([['prod', { generation: 4 }]]) },
  } as unknown as HostSnapshot;
};
const removed = (plan: ReturnType<typeof planRemovals>) => plan.changes.map(({ address }) => address.name);
const order = (operations: readonly Operation[]) =>
  orderOperations([operations]).turns.flatMap((turn) =>
    turn.kind === 'own' ? [turn.member.operation.id] : turn.members.map(({ operation }) => operation.id),
  );

describe('what is taken away', () => {
  it("is what the fleet owns and nobody wants, never another's and never what cannot be read", () => {
    const seen = snapshot({ mine: 'prod', kept: 'prod', theirs: 'other', damaged: '' });
    const keeps = ({ kind, name }: { kind: string; name: string }) => name === 'kept' || kind !== 'guest';
    expect(removed(planRemovals(seen, { fleet: 'prod', keeps }))).toEqual(['mine']);
    expect(removed(planRemovals(seen, { fleet: 'nobody', keeps: () => false }))).toEqual([]);
  });

  it('goes guests first, then users, then the host', () => {
    const plan = planRemovals(snapshot({ one: 'prod', two: 'prod' }), { fleet: 'prod', keeps: () => false });
    expect(removed(plan)).toEqual(['one', 'two', 'per-domain', 'hv1']);
    const ids = order(plan.operations);
    const at = (text: string) => ids.findIndex((id) => id.includes(text));
    expect(at('guest two on hv1: remove')).toBeLessThan(at('qemu-users'));
    expect(at('qemu-users')).toBeLessThan(at('host hv1: release'));
    expect(plan.operations.at(-1)?.needs).not.toEqual([]);
  });

  it('leaves users and host as they are while a guest of the fleet stays that needs them', () => {
    const keeps = ({ name }: { name: string }) => name === 'kept';
    expect(removed(planRemovals(snapshot({ kept: 'prod' }), { fleet: 'prod', keeps }))).toEqual([]);
    const keepsUsers = ({ kind }: { kind: string }) => kind === 'qemu-users';
    expect(removed(planRemovals(snapshot({ old: 'prod' }), { fleet: 'prod', keeps: keepsUsers }))).toEqual([
      'old',
    ]);
  });

  it('loses no file that a guest of the same batch is made with', () => {
    const removals = planRemovals(snapshot({ old: 'prod' }), {
      fleet: 'prod',
      keeps: ({ kind }) => kind !== 'guest',
    });
    const address = { kind: 'guest', host: 'hv1', name: 'new' } as const;
    const own = (id: string, needs: readonly string[]): Operation => ({
      ...{ id, address, needs },
      step: { kind: 'own', body: sh`true` },
    });
    const made = {
      changes: [],
      operations: [
        own('late', []),
        own('later', ['late']),
        own('last', ['later']),
        own('guest new on hv1: record', ['last']),
      ],
    };
    const ids = order(joinPlans(removals, made).operations);
    expect(ids.indexOf('guest new on hv1: record')).toBeLessThan(ids.indexOf('guest old on hv1: collect'));
  });

  it('leaves its users to a guest of the same batch, however its removal ends', () => {
    const removals = planRemovals(snapshot({ old: 'prod' }), {
      fleet: 'prod',
      keeps: ({ kind }) => kind !== 'guest',
    });
    const address = { kind: 'guest', host: 'hv1', name: 'new' } as const;
    const lease: Operation = {
      ...{ id: 'guest new on hv1: lease', address, needs: [] },
      step: { kind: 'own', body: sh`true` },
    };
    const { operations } = joinPlans(removals, { changes: [], operations: [lease] });
    const ids = order(operations);
    expect(ids.indexOf('guest old on hv1: remove')).toBeLessThan(ids.indexOf('guest new on hv1: lease'));
    expect(operations.at(-1)?.needs).toEqual([]);
  });
});

it('everything is wanted where nothing is said', () => {
  expect([everything.wantsHost('x'), everything.wantsGuest('x', 'y'), everything.looksAt('x')]).toEqual([
    true,
    true,
    true,
  ]);
});
