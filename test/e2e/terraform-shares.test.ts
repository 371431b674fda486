import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sh } from '../../provider/model/shell.ts';
import { compareSnapshots, type HostSnapshot, snapshotHost } from '../lab/snapshot.ts';
import { useLab } from '../lab/vitest.ts';
import { type Configuration, flat, inventory, stack, Workspace } from './terraform.fixture.ts';

const lab = useLab({ hosts: 1, name: 'tf-shares' });
const guest = 'stockade_guest.files1';
const evidence = 'data.stockade_guest_evidence.files1';
let workspace: Workspace;
let before: HostSnapshot;

async function configured(shares: readonly Configuration[] | undefined): Promise<Configuration> {
  const whole = await stack({
    hosts: inventory(lab.host),
    guests: ['files1'],
    guest: shares === undefined ? {} : { shares },
  });
  const reference = { host: `\${${guest}.host}`, guest: `\${${guest}.name}` };
  return {
    ...whole,
    data: { stockade_guest_evidence: { files1: { ...reference, generation: `\${${guest}.generation}` } } },
  };
}

const docs = { tag: 'docs', source: '/usr/share/doc' };
const inbox = { tag: 'inbox', source: '/srv/closed/inbox', readonly: false, driver: 'proxy' };

beforeAll(async () => {
  await lab.host.run(sh`mkdir -p /srv/closed/inbox; chmod 0700 /srv/closed`);
  before = await snapshotHost(lab.host);
  workspace = await Workspace.make(await configured(undefined));
});
afterAll(() => workspace.remove());

describe('a guest with shares, by terraform', () => {
  it('gets them with a restart that the plan announces, with what it gains, and who serves each', async () => {
    await workspace.apply();
    workspace.write(await configured([docs, inbox]));
    const { output } = await workspace.plan();
    expect(output).toMatch(/restart/);
    expect(output).toContain('/srv/closed/inbox');
    expect(output).toMatch(/"docs"\s*=\s*"virtiofs: /);
    expect(output).toMatch(/"inbox"\s*=\s*"proxy: /);
    await workspace.apply();
    expect(await workspace.plan()).toMatchObject({ exitCode: 0, differences: [] });
    expect(await workspace.state(evidence)).toMatchObject({ running: true, isolated: true, proven: false });
    expect(await workspace.state(evidence)).toHaveProperty(
      ['helpers', 'inbox', 'layers', 'chroot', 'state'],
      'effective',
    );
  });

  it('is given back by an import, without a difference', async () => {
    const other = await Workspace.make(await configured([docs, inbox]));
    await other.succeed('import', '-input=false', 'stockade_host.h1', 'h1');
    await other.succeed('import', '-input=false', 'stockade_qemu_users.h1', 'h1/per-domain');
    await other.succeed('import', '-input=false', guest, 'h1/files1');
    expect(await other.plan()).toMatchObject({ exitCode: 0, differences: [] });
    other.remove();
  });

  it('is refused what its host should not share, before anything is touched', async () => {
    workspace.write(await configured([docs, { ...inbox, source: '/srv/missing' }]));
    const missing = await workspace.fail('plan', '-input=false', '-no-color');
    expect(flat(missing)).toContain('/srv/missing is not there');
    await lab.host.run(sh`mkdir -p /srv/open`);
    workspace.write(await configured([docs, { ...inbox, source: '/srv/open' }]));
    const open = await workspace.fail('plan', '-input=false', '-no-color');
    expect(flat(open)).toContain('users of the host can get at it');
    await lab.host.run(sh`rmdir /srv/open`);
  });

  it('is told the same, once, where a plan replaces it: what it loses, and who else gets at its directories', async () => {
    await lab.host.run(sh`mkdir -p /srv/seen; mount --bind /srv/closed/inbox /srv/seen`);
    const whole = await configured([docs, inbox]);
    const resource = whole['resource'] as Readonly<Record<string, Readonly<Record<string, Configuration>>>>;
    const files1 = resource['stockade_guest']?.['files1'];
    const renamed = { ...files1, name: 'files2', isolation: { off: ['ipc-namespace'] } };
    workspace.write({ ...whole, resource: { ...resource, stockade_guest: { files1: renamed } } });
    const { actions, output } = await workspace.plan();
    expect(actions).toMatchObject({ [guest]: 'delete,create' });
    const said = [
      /guest files2 loses: [^:]*ipc/g,
      /\/srv\/closed\/inbox is written to by root for the guest, and is seen at \/srv\/seen too/g,
    ];
    expect(said.map((words) => output.match(words)?.length)).toEqual([1, 1]);
    // the guest whose place it takes has given it up by then
    expect(output).not.toContain('is written to by share inbox of guest files1 too');
    await lab.host.run(sh`umount /srv/seen; rmdir /srv/seen`);
  });

  it('gives a directory that it writes to to another guest within one apply', async () => {
    const both = await stack({ hosts: inventory(lab.host), guests: ['files1', 'files2'] });
    const resource = both['resource'] as Readonly<Record<string, Readonly<Record<string, Configuration>>>>;
    const guests = resource['stockade_guest'] ?? {};
    const moved = {
      files1: { ...guests['files1'], shares: [docs] },
      files2: { ...guests['files2'], shares: [inbox], depends_on: [guest] },
    };
    workspace.write({ ...both, resource: { ...resource, stockade_guest: moved } });
    const { output } = await workspace.plan();
    expect(output).toContain('/srv/closed/inbox is written to by share inbox of guest files1 too');
    await workspace.apply();
    expect(await workspace.plan()).toMatchObject({ exitCode: 0, differences: [] });
    for (const shares of [[docs], [docs, inbox]]) {
      workspace.write(await configured(shares));
      await workspace.apply();
    }
  });

  it('shows a helper that was killed, and an apply brings it back; a destroy leaves nothing', async () => {
    workspace.write(await configured([docs, inbox]));
    await lab.host.run(sh`main=$(systemctl show --value --property=MainPID -- 'stockade-share-files1:inbox@*.service')
read -r child _ </proc/$main/task/$main/children || :; kill -9 "$child"`);
    for (let left = 60; left > 0; left--) {
      const shown = await lab.host.exec(sh`systemctl is-active stockade-guest@files1`);
      if (shown.exitCode !== 0) break;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    const { differences } = await workspace.plan();
    expect(differences.join('\n')).toContain('integrity.process');
    await workspace.apply();
    expect(await workspace.plan()).toMatchObject({ exitCode: 0, differences: [] });
    await workspace.destroy();
    expect(compareSnapshots(before, await snapshotHost(lab.host))).toEqual([]);
  });
});
