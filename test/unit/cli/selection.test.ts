import { describe, expect, it } from 'vitest';
import { parseAddress } from '../../../provider/cli/address.ts';
import { hostsConcerned, idlePatterns, selectionOf } from '../../../provider/cli/selection.ts';
import type { Definitions } from '../../../provider/spec/definitions.ts';

function select(limit: readonly string[], exclude: readonly string[] = []) {
  const made = selectionOf(limit, exclude);
  if (!made.ok) throw new Error(made.diagnostics[0]?.summary);
  return made.value;
}

describe('--limit and --exclude', () => {
  it('without any everything is meant', () => {
    const all = select([]);
    expect([all.wantsHost('hv1'), all.wantsGuest('hv1', 'web1'), all.looksAt('hv1')]).toEqual([
      true,
      true,
      true,
    ]);
  });

  it('a name of a host means it and all that is on it', () => {
    const one = select(['hv1']);
    expect([one.wantsHost('hv1'), one.wantsGuest('hv1', 'web1'), one.looksAt('hv1')]).toEqual([
      true,
      true,
      true,
    ]);
    expect([one.wantsHost('hv11'), one.wantsGuest('hv2', 'web1'), one.looksAt('hv2')]).toEqual([
      false,
      false,
      false,
    ]);
  });

  it('a name of a guest means it on any host, and no host as a whole', () => {
    const one = select(['web*']);
    expect([one.wantsGuest('hv1', 'web1'), one.wantsGuest('hv1', 'db1'), one.wantsHost('hv1')]).toEqual([
      true,
      false,
      false,
    ]);
    expect(one.looksAt('hv1')).toBe(false);
  });

  it('a pattern of both means guests of these hosts, those too that are no longer defined', () => {
    const one = select(['hv?/w*1']);
    expect(one.wantsGuest('hv1', 'web1')).toBe(true);
    expect(one.wantsGuest('hv10', 'web1')).toBe(false);
    expect([one.wantsHost('hv1'), one.looksAt('hv1'), one.looksAt('hv10')]).toEqual([false, true, false]);
  });

  it('what is excluded is so whatever else is said', () => {
    const rest = select(['hv*'], ['hv2', 'hv1/db*']);
    expect([rest.wantsHost('hv1'), rest.wantsHost('hv2'), rest.looksAt('hv2')]).toEqual([true, false, false]);
    expect([
      rest.wantsGuest('hv1', 'web1'),
      rest.wantsGuest('hv1', 'db1'),
      rest.wantsGuest('hv2', 'web1'),
    ]).toEqual([true, false, false]);
  });

  it.each(['', 'a/b/c', 'HV1', 'hv1/', '.*', 'hv1 ', '[ab]', '$(id)', 'x'.repeat(64)])(
    '%j is no pattern',
    (bad) => {
      expect(selectionOf([bad], [])).toMatchObject({ ok: false, diagnostics: [{ code: 'bad-pattern' }] });
    },
  );
});

it('a pattern that names nothing is told', () => {
  const defined = { hosts: [{ name: 'hv1' }], guests: [{ name: 'web1' }] } as unknown as Definitions;
  const idle = idlePatterns(['hv*', 'web?', 'hv1/gone', 'hv2', 'hv2/web1', 'x*'], defined);
  expect(idle.map(({ summary }) => summary.split(' ')[0])).toEqual(['hv2', 'hv2/web1', 'x*']);
});

describe('the hosts a command is about', () => {
  const defined = {
    hosts: [{ name: 'hv1' }, { name: 'hv2' }, { name: 'hv3' }],
    guests: [
      { host: 'hv1', name: 'web1' },
      { host: 'hv2', name: 'db1' },
    ],
  } as unknown as Definitions;

  it.each([
    [[], [], 'hv1 hv2 hv3'],
    [['web1'], [], 'hv1'],
    [['hv3'], [], 'hv3'],
    [['hv3/gone', 'db1'], [], 'hv2 hv3'],
    [['web1', 'db1'], ['hv1'], 'hv2'],
    [['web9'], [], ''],
  ])('with --limit %j --exclude %j', (limit, exclude, expected) => {
    expect([...hostsConcerned(defined, select(limit, exclude))].join(' ')).toBe(expected);
  });
});

describe('an address', () => {
  it.each([
    ['hv1', 'host', 'hv1'],
    ['hv1/web1', 'guest', 'web1'],
    ['hv1/per-domain', 'qemu-users', 'per-domain'],
    ['guest:hv1/shared', 'guest', 'shared'],
    ['host:hv1', 'host', 'hv1'],
  ])('%s', (text, kind, name) => {
    expect(parseAddress(text)).toMatchObject({ ok: true, value: { kind, host: 'hv1', name } });
  });

  it.each([
    '',
    '/',
    'hv1/',
    'hv1/web1/x',
    'users:hv1/web1',
    'host:hv1/web1',
    'HV1',
    '\u001b[2J',
    'guest:hv1',
  ])('%j is none', (bad) => {
    const parsed = parseAddress(bad);
    expect(parsed).toMatchObject({ ok: false, diagnostics: [{ code: 'bad-address' }] });
  });
});
