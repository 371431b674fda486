import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sh, word } from '../../provider/model/shell.ts';
import { useLab } from '../lab/vitest.ts';
import { fleetDefinition, Folder, stillGuest } from './cli.fixture.ts';
import { inventory, stack, Workspace } from './terraform.fixture.ts';

const lab = useLab({ hosts: 1, name: 'cli-terraform' });
const workspaces: Workspace[] = [];
afterAll(() => {
  for (const workspace of workspaces) workspace.remove();
});
const mainPid = async () =>
  (
    await lab.host.run(sh`systemctl show --property=MainPID --value ${word('stockade-guest@web1.service')}`)
  ).trim();

describe('a guest of the command line', () => {
  let folder: Folder;
  let pid: string;
  const guest = () => ({
    memory_mib: 64,
    kernel: { file: `${folder.path}/still` },
    initrd: null,
    command_line: null,
  });
  const workspaceOf = async (fleet: string) => {
    const workspace = await Workspace.make(
      await stack({ hosts: inventory(lab.host), fleet, guest: guest() }),
    );
    workspaces.push(workspace);
    return workspace;
  };

  beforeAll(async () => {
    folder = await Folder.make();
    folder.write('stockade.yaml', fleetDefinition({ hosts: lab.hosts, guests: { web1: stillGuest('h1') } }));
    await folder.succeed('apply', '--yes');
    pid = await mainPid();
  });

  it('is one without changes for Terraform of the same fleet, and the other way round', async () => {
    const same = await workspaceOf('fleet-1');
    await same.succeed('import', '-input=false', 'stockade_host.h1', 'h1');
    await same.succeed('import', '-input=false', 'stockade_qemu_users.h1', 'h1/per-domain');
    await same.succeed('import', '-input=false', 'stockade_guest.web1', 'h1/web1');
    expect(await same.plan()).toMatchObject({ exitCode: 0, differences: [] });
    same.write(
      await stack({ hosts: inventory(lab.host), fleet: 'fleet-1', guest: { ...guest(), memory_mib: 80 } }),
    );
    await same.apply();
    expect(await mainPid()).not.toBe(pid);
    pid = await mainPid();
    expect(await folder.succeed('plan')).toContain('memoryMib: 80 -> 64');
    folder.write(
      'stockade.yaml',
      fleetDefinition({ hosts: lab.hosts, guests: { web1: stillGuest('h1', { memoryMib: 80 }) } }),
    );
    expect(await folder.run('plan', '--detailed-exitcode')).toMatchObject({ exitCode: 0 });
    expect(await mainPid()).toBe(pid);
  });

  it("is not its own for Terraform of another fleet, nor is Terraform's for the command line of another", async () => {
    const other = await workspaceOf('other');
    const said = await other.fail('apply', '-input=false', '-auto-approve');
    expect(said).toContain('guest web1 on h1 exists and belongs to another fleet');
    const stranger = await Folder.make();
    stranger.write(
      'stockade.yaml',
      fleetDefinition({ fleet: 'stranger', hosts: lab.hosts, guests: { web1: stillGuest('h1') } }),
    );
    expect(await stranger.fail('plan')).toContain('guest web1 on h1 belongs to fleet "fleet-1"');
    expect(await mainPid()).toBe(pid);
    await other.destroy();
  });

  it('is imported into definitions that do not have it, which then change nothing', async () => {
    const anew = await Folder.make();
    anew.write('stockade.yaml', fleetDefinition({ hosts: lab.hosts, guests: {} }));
    expect(await anew.succeed('plan')).toContain('Destroyed:\n  guest web1 on h1');
    anew.write('web1.yaml', await anew.succeed('import', 'h1/web1'));
    const files = ['--file', 'stockade.yaml', '--file', 'web1.yaml'];
    expect(await anew.run('plan', ...files, '--detailed-exitcode')).toMatchObject({ exitCode: 0 });
    expect(await anew.fail('import', 'h1/web1', ...files)).toContain('is defined already');
    expect(await anew.fail('import', 'h1/no-such')).toContain(
      'there is no guest no-such on h1 of fleet fleet-1',
    );
    anew.write('stockade.yaml', fleetDefinition({ fleet: 'other', hosts: lab.hosts, guests: {} }));
    expect(await anew.fail('import', 'h1/web1')).toContain('belongs to fleet fleet-1');
    await folder.succeed('destroy', '--yes');
  });
});
