import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { guestPlaces } from '../../provider/jail/places.ts';
import { ShellText } from '../../provider/model/shell.ts';
import { compareSnapshots, type HostSnapshot, snapshotHost } from '../lab/snapshot.ts';
import { useLab } from '../lab/vitest.ts';
import {
  guestFiles,
  hostEntry,
  inventory,
  stack,
  type Configuration,
  Workspace,
} from './terraform.fixture.ts';

const lab = useLab({ hosts: 1, name: 'tf-safety' });
const guest = 'stockade_guest.web1';
const unit = 'stockade-guest@web1.service';
const applying = ['apply', '-input=false', '-auto-approve'] as const;
let workspace: Workspace;
let before: HostSnapshot;

const onHost = (text: string) => lab.host.run(ShellText.unsafelyFromProgramText(text));
const isActive = async () => (await lab.host.exec(['systemctl', 'is-active', unit])).stdout.trim();
const withHost = async (host: Configuration, options: Partial<Parameters<typeof stack>[0]> = {}) => {
  const configuration = await stack({ hosts: inventory(lab.host), ...options });
  const resource = configuration['resource'] as Configuration;
  return { ...configuration, resource: { ...resource, stockade_host: { h1: { name: 'h1', ...host } } } };
};

beforeAll(async () => {
  before = await snapshotHost(lab.host);
  workspace = await Workspace.make(await stack({ hosts: inventory(lab.host) }));
});
afterAll(() => workspace.remove());

const hostileNames = [
  ['a space', 'web 1'],
  ['quotes', `web"1'`],
  ['a newline', 'web\n1'],
  ['a command', '$(reboot)'],
  ['a leading dash', '-rf'],
  ['a path', '../../etc'],
  ['300 characters', 'a'.repeat(300)],
] as const;

describe('a name that breaks the rule', () => {
  it.each(hostileNames)('is refused by validate: %s', async (_what, name) => {
    // Terraform goes no further than the first that is wrong of those that need each other.
    const guest = { name, host: 'h1', users: 'h1/per-domain' };
    const configuration = await stack({ hosts: inventory(lab.host), guest });
    const resource = configuration['resource'] as Configuration;
    workspace.write({ ...configuration, resource: { ...resource, stockade_host: { h1: { name } } } });
    const named = await workspace.fail('validate');
    expect(named.match(/name must be a name: lower-case letters/g)).toHaveLength(2);
    const provider = { stockade: { fleet: name, hosts: { [name]: hostEntry(lab.host) } } };
    workspace.write({ ...configuration, provider });
    const configured = await workspace.fail('validate');
    expect(configured).toContain('fleet must be a name: lower-case letters');
    expect(configured).toMatch(/hosts[.[].* must be a name: lower-case letters/);
  });
});

describe('a QEMU that is not where it is said to be', () => {
  it('is found by the plan', async () => {
    workspace.write(await withHost({ qemu_binary: '/nowhere' }, { guests: [] }));
    const { exitCode, output } = await workspace.plan();
    expect(exitCode).toBe(1);
    expect(output).toContain('host h1: no QEMU answers at /nowhere');
    expect(output).toContain('leave qemu_binary out');
  });
});

describe('a hostile kernel command line', () => {
  const hostile = `console=ttyS0 mark=a,b,,c "x y" 'z' $(reboot) \`id\` -drive -- back\\slash ;&|<>* ~ end`;

  it('arrives in the guest as it was written', async () => {
    const { kernel, initrd } = await guestFiles();
    const linux = { kernel: { file: kernel }, initrd: { file: initrd }, command_line: hostile };
    workspace.write(await stack({ hosts: inventory(lab.host), guest: linux }));
    await workspace.apply();
    const logs = guestPlaces('web1').logDirectory;
    const serial = () => onHost(`cat ${logs}/serial.0 ${logs}/serial.1 2>/dev/null || :`);
    await expect.poll(serial, { timeout: 120_000, interval: 250 }).toMatch(/Command line: .* end/);
    expect(await serial()).toContain(`Command line: ${hostile}`);
    expect(await workspace.plan()).toMatchObject({ exitCode: 0 });
  });
});

describe('what lies in a chroot', () => {
  it('is shown in state and evidence without control characters', async () => {
    const evidence = { host: `\${${guest}.host}`, guest: `\${${guest}.name}` };
    workspace.write({
      ...(await stack({ hosts: inventory(lab.host) })),
      data: { stockade_guest_evidence: { web1: evidence } },
    });
    await workspace.apply();
    await onHost(`touch "/run/stockade/root/web1/$(printf 'a\\033[2J\\n\\302\\233\\342\\200\\256z')"`);
    await workspace.apply('-refresh-only');
    const { integrity } = await workspace.state(guest);
    const { layers } = await workspace.state('data.stockade_guest_evidence.web1');
    for (const shown of [integrity, layers]) {
      const texts = leaves(shown);
      expect(texts.some((text) => text.includes('[2J'))).toBe(true);
      expect(texts.filter((text) => /[\u0000-\u001f\u007f-\u009f\u202e]/.test(text))).toEqual([]);
    }
    await workspace.apply();
    await onHost('rm -rf /run/stockade/tampered/web1-*');
    expect(await workspace.plan()).toMatchObject({ exitCode: 0 });
  });
});

function leaves(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(leaves) : [];
}

describe('a plan that was made before somebody else changed the guest', () => {
  it('is refused, and changes nothing', async () => {
    const other = await Workspace.make(await stack({ hosts: inventory(lab.host), guest: { vcpus: 2 } }));
    copyFileSync(join(workspace.folder, 'terraform.tfstate'), join(other.folder, 'terraform.tfstate'));
    workspace.write(await stack({ hosts: inventory(lab.host), guest: { memory_mib: 160 } }));
    expect((await workspace.plan()).actions).toEqual({ [guest]: 'update' });
    await other.apply();
    const said = await workspace.fail('apply', '-input=false', 'plan');
    expect(said).toContain('guest web1 on h1 was changed since the plan was made');
    expect(said).toContain('Plan and apply again');
    expect(await other.plan()).toMatchObject({ exitCode: 0 });
    other.remove();
    await workspace.apply();
    expect(await workspace.plan()).toMatchObject({ exitCode: 0 });
  });
});

describe('a step that fails while the guest runs without a layer', () => {
  const launcher = '/var/lib/stockade/guests/web1/launch';
  const atBoot = `/etc/systemd/system/multi-user.target.wants/${unit}`;

  beforeAll(async () => {
    await onHost(`chmod 0777 /run/stockade/root/web1
rm ${launcher}
mkdir ${launcher}`);
  });

  it('ends in a guest that says it may still run, where it cannot be stopped', async () => {
    // The link that starts it at boot is taken away before it is stopped.
    await onHost(`rm ${atBoot}; mkdir ${atBoot}`);
    const said = await workspace.fail(...applying);
    await onHost(`rmdir ${atBoot}`);
    expect(said).toContain('guest web1 on h1: chroot is ineffective');
    expect(said).toContain(`could not be stopped and may still run unprotected`);
    expect(said).toContain(`systemctl stop ${unit}`);
    expect(said).not.toContain('was stopped rather');
    expect(await isActive()).toBe('active');
  });

  it('ends in a stopped guest', async () => {
    const said = await workspace.fail(...applying);
    expect(said).toContain('cannot be replaced');
    expect(said).toContain('Move what lies at that path on the host away');
    expect(said).toContain('guest web1 on h1: chroot is ineffective');
    expect(said).toContain('The guest was stopped rather than left running unprotected');
    expect(await isActive()).not.toBe('active');
  });

  it('is healed once nothing is in the way, and leaves nothing', async () => {
    await onHost(`rmdir ${launcher}`);
    await workspace.apply();
    expect(await workspace.plan()).toMatchObject({ exitCode: 0 });
    expect(await isActive()).toBe('active');
    await workspace.destroy();
    expect(compareSnapshots(before, await snapshotHost(lab.host))).toEqual([]);
  });
});
