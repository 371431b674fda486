import { appendFileSync, copyFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ShellText } from '../../provider/model/shell.ts';
import { compareSnapshots, type HostSnapshot, snapshotHost } from '../lab/snapshot.ts';
import { useLab } from '../lab/vitest.ts';
import { stillFiles } from '../lab/guest/still-files.ts';
import { inventory, stack, Workspace } from './terraform.fixture.ts';

const lab = useLab({ hosts: 1, name: 'tf-owners' });
const workspaces: Workspace[] = [];
let before: HostSnapshot;

async function makeWorkspace(...args: Parameters<typeof stack>): Promise<Workspace> {
  const workspace = await Workspace.make(await stack(...args));
  workspaces.push(workspace);
  return workspace;
}

const onHost = (text: string) => lab.host.run(ShellText.unsafelyFromProgramText(text));
const mainPid = async (guest: string) =>
  Number(await onHost(`systemctl show --property=MainPID --value stockade-guest@${guest}.service`));

beforeAll(async () => {
  before = await snapshotHost(lab.host);
});
afterAll(() => {
  for (const workspace of workspaces) workspace.remove();
});

describe('a fleet whose state was lost', () => {
  let first: Workspace;
  let second: Workspace;

  beforeAll(async () => {
    first = await makeWorkspace({ hosts: inventory(lab.host) });
    await first.apply();
    second = await makeWorkspace({ hosts: inventory(lab.host) });
  });

  it('is refused to be made again, with the import to do instead', async () => {
    const pid = await mainPid('web1');
    const said = await second.fail('apply', '-input=false', '-auto-approve');
    expect(said).toContain('host h1 exists already');
    expect(said).toContain('terraform import stockade_host.NAME h1');
    expect(await second.addresses()).toEqual([]);
    expect(await mainPid('web1')).toBe(pid);
  });

  it('is imported, and then has no changes', async () => {
    await second.succeed('import', '-input=false', 'stockade_host.h1', 'h1');
    await second.succeed('import', '-input=false', 'stockade_qemu_users.h1', 'h1/per-domain');
    const said = await second.fail('apply', '-input=false', '-auto-approve');
    expect(said).toContain('guest web1 on h1 exists already');
    expect(said).toContain('terraform import stockade_guest.NAME h1/web1');
    await second.succeed('import', '-input=false', 'stockade_guest.web1', 'h1/web1');
    expect(await second.state('stockade_guest.web1')).toMatchObject({
      memory_mib: 128,
      kernel: { file: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) as string },
    });
    expect(await second.plan()).toMatchObject({ exitCode: 0, differences: [] });
  });

  it('has no changes from another checkout, with its files elsewhere', async () => {
    const { kernel } = await stillFiles();
    const elsewhere = join(first.folder, 'another-path');
    copyFileSync(kernel, elsewhere);
    first.write(await stack({ hosts: inventory(lab.host), guest: { kernel: { file: elsewhere } } }));
    expect(await first.plan()).toMatchObject({ exitCode: 0, differences: [] });
    rmSync(elsewhere);
    expect(await first.plan()).toMatchObject({
      exitCode: 1,
      output: expect.stringContaining(`kernel file "${elsewhere}": there is no such file`) as string,
    });
  });

  it('is not given a file that was changed after the plan was made', async () => {
    const { initrd } = await stillFiles();
    const changing = join(first.folder, 'initrd');
    copyFileSync(initrd, changing);
    appendFileSync(changing, Buffer.alloc(512));
    first.write(await stack({ hosts: inventory(lab.host), guest: { initrd: { file: changing } } }));
    const { exitCode, output } = await first.plan();
    expect(exitCode).toBe(2);
    expect(output).toMatch(/guest web1 on h1 restarts: initrd sha256:[0-9a-f]{12}… -> sha256:[0-9a-f]{12}…/);
    appendFileSync(changing, Buffer.alloc(512));
    const pid = await mainPid('web1');
    const said = await first.fail('apply', '-input=false', 'plan');
    // Terraform itself compares, and blames the provider in its words.
    expect(said).toMatch(/inconsistent final plan .* \.initrd\.sha256: was/);
    expect(await mainPid('web1')).toBe(pid);
  });

  it('says what an id looks like, and what is not there', async () => {
    await second.succeed('state', 'rm', 'stockade_guest.web1');
    const bad = await second.fail('import', '-input=false', 'stockade_guest.web1', 'web1');
    expect(bad).toContain('Its form is HOST/NAME');
    const none = await second.fail('import', '-input=false', 'stockade_guest.web1', 'h1/web9');
    expect(none).toContain('there is no guest web9 on h1 of fleet fleet-1 to import');
    const stranger = await second.fail('import', '-input=false', 'stockade_guest.web1', 'h9/web1');
    expect(stranger).toContain('host "h9" is not in the inventory');
  });
});

describe('another fleet on the same host', () => {
  let other: Workspace;
  let pid: number;

  beforeAll(async () => {
    pid = await mainPid('web1');
    other = await makeWorkspace({ hosts: inventory(lab.host), fleet: 'fleet-2', guests: ['web2'] });
    await other.apply();
  });

  it('never touches a guest that is not its own', async () => {
    other.write(await stack({ hosts: inventory(lab.host), fleet: 'fleet-2', guests: ['web1', 'web2'] }));
    const said = await other.fail('apply', '-input=false', '-auto-approve');
    expect(said).toContain('guest web1 on h1 exists and belongs to another fleet');
    expect(said).toContain('Its owner is fleet-1; this configuration is fleet-2');
    expect(await other.fail('import', '-input=false', 'stockade_guest.web1', 'h1/web1')).toContain(
      'guest web1 on h1 belongs to fleet fleet-1',
    );
    expect(await mainPid('web1')).toBe(pid);
  });

  it('has users and domids of its own beside the first', async () => {
    const mine = await other.state('stockade_guest.web2');
    expect(mine).toMatchObject({ domid: 2, state: 'running' });
    expect(await other.state('stockade_qemu_users.h1')).toMatchObject({ uid_base: Number(mine['uid']) - 2 });
  });

  it("leaves the first fleet's guest running when it takes its host away", async () => {
    await other.destroy();
    expect(await mainPid('web1')).toBe(pid);
    expect(await onHost('systemctl is-active stockade-guest@web1.service')).toBe('active\n');
    expect(await onHost('ls /var/lib/stockade/owners')).toBe('fleet-1\n');
  });

  it('leaves nothing when the last of both is gone', async () => {
    const [first] = workspaces;
    first?.write(await stack({ hosts: inventory(lab.host) }));
    await first?.destroy();
    expect(compareSnapshots(before, await snapshotHost(lab.host))).toEqual([]);
  });
});

describe('a fleet that is renamed', () => {
  it('is told to keep its name, and can destroy what it made under the old one', async () => {
    const workspace = await makeWorkspace({ hosts: inventory(lab.host), guests: [] });
    await workspace.apply();
    workspace.write(await stack({ hosts: inventory(lab.host), fleet: 'fleet-9', guests: [] }));
    const { exitCode, output } = await workspace.plan();
    expect(exitCode).toBe(1);
    expect(output).toContain('A fleet keeps its name');
    workspace.write(await stack({ hosts: inventory(lab.host), guests: [] }));
    await workspace.destroy();
    expect(compareSnapshots(before, await snapshotHost(lab.host))).toEqual([]);
  });
});
