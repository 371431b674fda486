import { describe, expect, it } from 'vitest';
import type { Operation } from '../../provider/model/operation.ts';
import { hostDesired } from '../../provider/resources/host/desired.ts';
import { hostOperations, hostRemoval } from '../../provider/resources/host/operations.ts';
import { accountsFunctions } from '../../provider/resources/accounts/rewrite.ts';
import { qemuUsersDesired } from '../../provider/resources/qemu-users/desired.ts';
import { qemuUsersOperations, qemuUsersRemoval } from '../../provider/resources/qemu-users/operations.ts';
import { qemuUsersSchema, userSchemes } from '../../provider/spec/qemu-users.ts';
import { profileText } from '../../provider/jail/lsm-profile.ts';
import { sampleHost } from '../samples.ts';

/** Steps as they are sent, each under its name; the functions that rewrite the password files once, in a file of their own. */
function render(operations: readonly Operation[]): string {
  return operations
    .map(({ id, needs, step }) => {
      const body = step.body.text.replace(accountsFunctions.text, '# (accounts.sh)');
      return `### ${id}\n### after: ${needs.join(', ') || '-'}\n${body}\n`;
    })
    .join('\n');
}

const address = { kind: 'host', host: 'hv1', name: 'hv1' } as const;
const create = { address, action: 'create', disruption: 'none', reasons: [] } as const;
const update = { ...create, action: 'update' } as const;
const noOwners = { owners: new Map<string, never>(), capabilities: sampleHost };
const withApparmor = {
  ...sampleHost,
  lsm: ['capability', 'apparmor'],
  apparmorParser: '/usr/sbin/apparmor_parser',
};

describe('the steps of', () => {
  it('preparing a host', async () => {
    const desired = hostDesired({ name: 'hv1' }, 'prod');
    const text = render(hostOperations({ change: create, desired, facts: noOwners }));
    await expect(text).toMatchFileSnapshot('preparation/host.sh');
  });

  it('preparing a host again, with AppArmor and a QEMU whose path needs quotes', async () => {
    const desired = hostDesired({ name: 'hv1', qemuBinary: "/opt/it's $(here)/qemu" }, 'prod');
    const owners = new Map([
      ['prod', { generation: 7, digest: '', qemuBinary: undefined, toolstack: 'qemu' as const }],
    ]);
    const facts = { owners, capabilities: withApparmor };
    const text = render(hostOperations({ change: update, desired, facts }));
    await expect(text).toMatchFileSnapshot('preparation/host-needs-quotes.sh');
  });

  it('confining guests: the profile, where directories need quotes too', async () => {
    await expect(profileText()).toMatchFileSnapshot('preparation/apparmor-profile.txt');
    const odd = profileText({ state: '/srv/it is/[a]', run: '/run/st' });
    expect(odd).toContain('  deny "/srv/it is/\\[a\\]/{owners,leases,users,guests}/**" mrwklx,\n');
  });

  it('letting a host go', async () => {
    const roots = { state: '/srv/it is/state', run: '/run/st' };
    await expect(render(hostRemoval(address, 'prod', 3, roots))).toMatchFileSnapshot(
      'preparation/host-removal.sh',
    );
  });

  it.each(userSchemes)('making %s users', async (scheme) => {
    const desired = qemuUsersDesired(qemuUsersSchema.parse({ host: 'hv1', scheme }), 'prod');
    const ids = { uidBase: 2_013_265_920, reaperUid: 2_013_298_672 };
    const text = render(
      qemuUsersOperations({ change: create, desired, ids, facts: noOwners, after: ['host hv1: reload'] }),
    );
    await expect(text).toMatchFileSnapshot(`preparation/users-${scheme}.sh`);
  });

  it('removing users', async () => {
    const text = render(qemuUsersRemoval({ host: 'hv1', scheme: 'per-domain' }, 'prod', 'any'));
    await expect(text).toMatchFileSnapshot('preparation/users-removal.sh');
  });

  it('rewriting the password files', async () => {
    await expect(`${accountsFunctions.text}\n`).toMatchFileSnapshot('preparation/accounts.sh');
  });
});
