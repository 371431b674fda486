import { TerraformVariable } from 'cdktf';
import { describe, expect, it } from 'vitest';
import { type GuestShareProps, HypervisorHost, RestrictedGuest } from '../../../constructs/index.ts';
import { stackWithHost, synthesized } from './synth.fixture.ts';

const boot = { memoryMib: 256, kernel: { file: '/boot/vmlinuz' } };

function twoGuests() {
  const { stack, fleet, host } = stackWithHost();
  const users = host.qemuUsers();
  const [web, db] = ['web1', 'db1'].map((id) => new RestrictedGuest(stack, id, { users, ...boot }));
  if (web === undefined || db === undefined) throw new Error('no guests');
  return { stack, fleet, web, db };
}

const reader = (source: string): GuestShareProps => ({ tag: 'data', source });
const writer = (source: string, writers?: 'one' | 'many'): GuestShareProps => ({
  tag: 'data',
  source,
  readonly: false,
  ...(writers === undefined ? {} : { writers }),
});

describe('directories that guests share', () => {
  it('are added to those of the props, and only what was said is synthesized', () => {
    const { stack, host } = stackWithHost();
    const users = host.qemuUsers();
    new RestrictedGuest(stack, 'web1', { users, ...boot, shares: [reader('/srv/a')] })
      .share({ tag: 'logs', source: '/srv/b', readonly: false, driver: 'virtiofs', cache: 'never' })
      .share({ tag: 'more', source: '/srv/c', driver: 'local' });
    expect(synthesized(stack).resource['stockade_guest']?.['web1']?.['shares']).toEqual([
      { tag: 'data', source: '/srv/a' },
      { tag: 'logs', source: '/srv/b', readonly: false, driver: 'virtiofs', cache: 'never' },
      { tag: 'more', source: '/srv/c', driver: 'local' },
    ]);
  });

  it('are checked one by one; what was refused leaves nothing behind', () => {
    const { stack, web } = twoGuests();
    web.share(reader('/srv/a'));
    expect(() => web.share(reader('/srv/b'))).toThrow(/tag .*another share too: data/);
    expect(() => web.share({ tag: 'x', source: 'srv' })).toThrow(/must be an absolute path/);
    web.share({ tag: 'more', source: '/srv/b' });
    const shares = synthesized(stack).resource['stockade_guest']?.['web1']?.['shares'];
    expect(shares).toEqual([reader('/srv/a'), { tag: 'more', source: '/srv/b' }]);
  });

  it('are checked against the rest of the guest', () => {
    const { web } = twoGuests();
    expect(() => web.share({ tag: 'x', source: '/srv/x', driver: 'local', securityModel: 'none' })).toThrow(
      /none needs a \/proc/,
    );
  });

  it.each([
    ['two readers', reader('/srv/a'), reader('/srv/a')],
    ['a reader inside what another reads', reader('/srv/a'), reader('/srv/a/b')],
    ['a reader of what another writes', writer('/srv/a'), reader('/srv/a')],
    ['two writers who both say so', writer('/srv/a', 'many'), writer('/srv/a', 'many')],
    ['writers of neighbours', writer('/srv/a'), writer('/srv/ab')],
  ])('may be had by two guests: %s', (_, one, other) => {
    const { web, db } = twoGuests();
    web.share(one);
    expect(() => db.share(other)).not.toThrow();
  });

  it.each([
    ['two writers', writer('/srv/a'), writer('/srv/a'), 'writes to /srv/a too'],
    [
      'writers of which one says so',
      writer('/srv/a', 'many'),
      writer('/srv/a', 'one'),
      'writes to /srv/a too',
    ],
    [
      'a reader inside what another writes',
      writer('/srv/a'),
      reader('/srv/a/b'),
      'is inside /srv/a of test/web1',
    ],
    [
      'a writer inside what another reads',
      reader('/srv/a'),
      writer('/srv/a/b'),
      'is inside /srv/a of test/web1',
    ],
    ['a writer around what another reads', reader('/srv/a/b'), writer('/srv/a'), 'contains /srv/a/b'],
    ['nested writers, whatever they say', writer('/srv/a', 'many'), writer('/srv/a/b', 'many'), 'is inside'],
  ])('are refused to two guests: %s', (_, one, other, message) => {
    const { web, db } = twoGuests();
    web.share(one);
    expect(() => db.share(other)).toThrow(`test/db1: `);
    expect(() => db.share(other)).toThrow(message);
  });

  it('are another directory on another host, and the provider compares what only Terraform knows', () => {
    const { stack, fleet, web, db } = twoGuests();
    web.share(writer('/srv/a'));
    const elsewhere = new HypervisorHost(stack, 'hv2', { fleet, name: 'hv1' });
    new RestrictedGuest(stack, 'far', { users: elsewhere.qemuUsers(), ...boot, shares: [writer('/srv/a')] });
    const source = new TerraformVariable(stack, 'dir', { type: 'string' }).stringValue;
    web.share({ ...writer(source), tag: 'unknown' });
    expect(() => db.share(writer(source))).not.toThrow();
  });
});
