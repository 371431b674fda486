import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ShellText } from '../../provider/model/shell.ts';
import { compareSnapshots, type HostSnapshot, snapshotHost } from '../lab/snapshot.ts';
import { useLab } from '../lab/vitest.ts';
import {
  type Configuration,
  guestFiles,
  hostEntry,
  inventory,
  stack,
  Workspace,
} from './terraform.fixture.ts';

const lab = useLab({ hosts: 1, name: 'tf-failures', diskMiB: 64 });
let workspace: Workspace;
let before: HostSnapshot;

const onHost = (text: string) => lab.host.run(ShellText.unsafelyFromProgramText(text));
const hosts = (change: Configuration): Configuration => ({ h1: hostEntry(lab.host, change) });
const applying = ['apply', '-input=false', '-auto-approve'];

/** Writes the configuration, applies it, and returns what went wrong. */
async function failing(...args: Parameters<typeof stack>): Promise<string> {
  workspace.write(await stack(...args));
  return workspace.fail(...applying);
}

beforeAll(async () => {
  before = await snapshotHost(lab.host);
  workspace = await Workspace.make(await stack({ hosts: inventory(lab.host) }));
});
afterAll(() => workspace.remove());

describe('a host that cannot be worked with', () => {
  afterEach(async () => {
    expect(await workspace.addresses()).toEqual([]);
    expect(compareSnapshots(before, await snapshotHost(lab.host))).toEqual([]);
  });

  it('has another key than the one on record', async () => {
    const key = join(workspace.folder, 'other-key');
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
    const other = execFileSync('cut', ['-d', ' ', '-f', '1,2', `${key}.pub`])
      .toString()
      .trim();
    const said = await failing({ hosts: hosts({ host_key: other }) });
    expect(said).toMatch(/host h1 \(.*\) presents another key than the one on record/);
    expect(said).toContain('stockade_host.h1');
    expect(said).toContain('What to do: Either someone stands between you and the host');
  });

  it('has a key that is not known', async () => {
    const empty = join(workspace.folder, 'known_hosts');
    writeFileSync(empty, '');
    const said = await failing({ hosts: hosts({ host_key: null, known_hosts_file: empty }) });
    expect(said).toMatch(/the key of host h1 \(.*\) is not known/);
    expect(said).toContain('add this line');
  });

  it('does not answer', async () => {
    const said = await failing({ hosts: hosts({ port: 9, connect_timeout_seconds: 3 }) });
    expect(said).toMatch(/host h1 \(.* port 9\)/);
    expect(said).toContain('Resource: host h1');
    expect(said).toContain('What to do:');
  });

  it('refuses the login', async () => {
    const key = join(workspace.folder, 'stranger');
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
    const said = await failing({ hosts: hosts({ private_key_file: key }) });
    expect(said).toMatch(/host h1 \(.*\) refuses the login of root/);
    expect(said).toContain('authorized_keys');
  });

  it('lets the user not become root', async () => {
    const said = await failing({ hosts: hosts({ user: 'plain', sudo: true }) });
    expect(said).toMatch(/sudo on host h1/);
    expect(said).toContain('/etc/sudoers.d');
    expect(await failing({ hosts: hosts({ user: 'plain' }) })).toMatch(
      /commands on host h1 do not run as root/,
    );
  });

  it('has no QEMU', async () => {
    await onHost('mv /usr/bin/qemu-system-x86_64 /usr/bin/.qemu-away');
    const said = await failing({ hosts: inventory(lab.host) });
    await onHost('mv /usr/bin/.qemu-away /usr/bin/qemu-system-x86_64');
    expect(said).toContain('apt-get install qemu-system-x86');
    expect(said).toContain('Host: h1');
  });

  it('has a QEMU without seccomp', async () => {
    // A front that answers as a QEMU built without it would.
    const front = `#!/bin/sh
case "$*" in *-sandbox*) echo "qemu-system-x86_64: -sandbox on: seccomp support is disabled" >&2; exit 1 ;; esac
case "$1" in -help | --help) /usr/bin/.qemu-away -help | grep -v -e -sandbox; exit ;; esac
exec /usr/bin/.qemu-away "$@"
`;
    await onHost(`mv /usr/bin/qemu-system-x86_64 /usr/bin/.qemu-away
cat >/usr/bin/qemu-system-x86_64 <<'END'
${front}END
chmod 755 /usr/bin/qemu-system-x86_64`);
    const said = await failing({ hosts: inventory(lab.host) });
    await onHost('rm /usr/bin/qemu-system-x86_64; mv /usr/bin/.qemu-away /usr/bin/qemu-system-x86_64');
    expect(said).toContain('the host cannot give the layer seccomp: its QEMU was built without seccomp');
    // the host itself can be prepared: a guest may be defined to do without
    expect(await workspace.addresses()).toEqual(['stockade_host.h1', 'stockade_qemu_users.h1']);
    await workspace.succeed('destroy', '-auto-approve', '-input=false');
  });

  it('is named in a configuration that breaks the rules', async () => {
    const provider = { fleet: '$(reboot)', hosts: { 'h 1': hostEntry(lab.host) } };
    const said = await failing({ hosts: inventory(lab.host), provider, guests: [] });
    expect(said).toContain('fleet must be a name');
    expect(said).toContain('hosts["h 1"] must be a name');
  });
});

describe('a host that is half prepared', () => {
  it('is tainted, and replaced without loss when what stood in the way is gone', async () => {
    const inTheWay = '/etc/systemd/system/stockade-guest@.service';
    await onHost(`mkdir ${inTheWay}`);
    const said = await failing({ hosts: inventory(lab.host), guests: [] });
    expect(said).toContain('Error: host h1:');
    expect(said).toContain('Step: host h1: unit template');
    expect(await workspace.addresses()).toEqual(['stockade_host.h1']);
    await onHost(`rmdir ${inTheWay}`);
    expect((await workspace.plan()).actions).toEqual({
      'stockade_host.h1': 'delete,create',
      'stockade_qemu_users.h1': 'create',
    });
    await workspace.apply();
    expect(await workspace.plan()).toMatchObject({ exitCode: 0 });
    await workspace.destroy();
    expect(compareSnapshots(before, await snapshotHost(lab.host))).toEqual([]);
  });
});

describe('a guest that cannot be made', () => {
  const guest = 'stockade_guest.web1';

  beforeAll(async () => {
    workspace.write(await stack({ hosts: inventory(lab.host), guests: [] }));
    await workspace.apply();
  });
  const nothingMade = async () => {
    expect(await workspace.addresses()).not.toContain(guest);
    expect(await onHost('ls /var/lib/stockade/guests /etc/systemd/system | grep -c web1 || :')).toBe('0\n');
  };

  it('wants kvm where it does not work: found by the plan', async () => {
    workspace.write(await stack({ hosts: inventory(lab.host), guest: { accelerator: 'kvm' } }));
    const { exitCode, output } = await workspace.plan();
    // Test hosts have no /dev/kvm, whatever this machine has.
    expect(await workspace.state('stockade_host.h1')).toMatchObject({ qemu: { accelerators: ['tcg'] } });
    expect(exitCode).toBe(1);
    expect(output).toContain('guest web1 on h1: kvm does not work on the host');
    expect(output).toContain('accelerator = "tcg"');
  });

  it('has a kernel file that is not there', async () => {
    const said = await failing({
      hosts: inventory(lab.host),
      guest: { kernel: { file: '/nowhere/vmlinuz' } },
    });
    expect(said).toContain('kernel file "/nowhere/vmlinuz": there is no such file or directory');
    expect(said).toContain('Resource: guest web1 on h1');
    await nothingMade();
  });

  it('finds the disk full', async () => {
    await onHost('dd if=/dev/zero of=/var/filler bs=64k 2>/dev/null || :');
    // a kernel of eight MiB
    const large = { kernel: { file: (await guestFiles()).kernel } };
    const full = await failing({ hosts: inventory(lab.host), guest: large });
    expect(full).toContain('Error: guest web1 on h1');
    expect(full).toContain('Make room on the host');
    await nothingMade();
    await onHost('truncate -s -2M /var/filler');
    const almost = await failing({ hosts: inventory(lab.host), guest: large });
    await onHost('rm /var/filler');
    expect(almost).toMatch(/Error: guest web1 on h1: \d+ bytes do not fit/);
    expect(almost).toContain('Make room on the host');
    // Its record was written before the files came: Terraform has to know of it.
    expect(await workspace.addresses()).toContain(guest);
  });

  it('is tainted by what a failed attempt left, and replaced without loss', async () => {
    workspace.write(await stack({ hosts: inventory(lab.host) }));
    expect((await workspace.plan()).actions).toEqual({ [guest]: 'delete,create' });
    await workspace.apply();
    expect(await workspace.plan()).toMatchObject({ exitCode: 0 });
    await workspace.destroy('-target', guest);
    await nothingMade();
  });

  it('dies at its start: its last words are in the error', async () => {
    const said = await failing({
      hosts: inventory(lab.host),
      guest: { kernel: { host_file: '/etc/hostname' } },
    });
    expect(said).toContain('guest web1 on h1: the device model ended at its start (exit-code)');
    expect(said).toMatch(/linux kernel too old|could not load|bzImage|invalid kernel|qemu-system-x86_64:/i);
    expect(await workspace.addresses()).toContain(guest);
    workspace.write(await stack({ hosts: inventory(lab.host) }));
    expect((await workspace.plan()).actions).toEqual({ [guest]: 'delete,create' });
    await workspace.apply();
    expect(await workspace.state(guest)).toMatchObject({ state: 'running' });
    expect(await workspace.plan()).toMatchObject({ exitCode: 0 });
  });

  it('shows less isolation than was asked for: it is stopped, and replaced by the next apply', async () => {
    await workspace.destroy('-target', guest);
    // A QEMU of somebody's own that leaves its system call filter out.
    const front = `#!/bin/sh
case " $* " in *" -kernel "*) ;; *) exec /usr/bin/qemu-system-x86_64 "$@" ;; esac
for word do
  shift
  case $word in -sandbox) drop=1 ;; *) [ -n "\${drop-}" ] || set -- "$@" "$word"; drop= ;; esac
done
exec /usr/bin/qemu-system-x86_64 "$@"
`;
    await onHost(`cat >/opt/qemu-front <<'END'
${front}END
chmod 755 /opt/qemu-front`);
    const configuration = await stack({ hosts: inventory(lab.host) });
    const resource = configuration['resource'] as Configuration;
    const chosen = { stockade_host: { h1: { name: 'h1', qemu_binary: '/opt/qemu-front' } } };
    workspace.write({ ...configuration, resource: { ...resource, ...chosen } });
    const said = await workspace.fail(...applying);
    expect(said).toContain('guest web1 on h1: seccomp is ineffective');
    expect(said).toContain('The guest was stopped rather than left running unprotected');
    const active = await lab.host.exec(['systemctl', 'is-active', 'stockade-guest@web1.service']);
    expect(active.stdout).not.toBe('active\n');
    workspace.write(configuration);
    expect((await workspace.plan()).actions).toEqual({
      [guest]: 'delete,create',
      'stockade_host.h1': 'update',
    });
    await workspace.apply();
    expect(await workspace.plan()).toMatchObject({ exitCode: 0 });
    await onHost('rm /opt/qemu-front');
  });

  it('is not disturbed where its host and users are replaced', async () => {
    const pid = await onHost('systemctl show --property=MainPID --value stockade-guest@web1.service');
    await workspace.succeed('taint', 'stockade_host.h1');
    await workspace.succeed('taint', 'stockade_qemu_users.h1');
    expect((await workspace.plan()).actions).toEqual({
      'stockade_host.h1': 'delete,create',
      'stockade_qemu_users.h1': 'delete,create',
    });
    const said = await workspace.apply();
    expect(said).toContain('host h1 is replaced in place');
    expect(await onHost('systemctl show --property=MainPID --value stockade-guest@web1.service')).toBe(pid);
    expect(await workspace.plan()).toMatchObject({ exitCode: 0 });
  });

  it('keeps its host and users from being destroyed under it', async () => {
    for (const address of ['stockade_qemu_users.h1', 'stockade_host.h1']) {
      // Another state that knows of this object alone, as after a `state rm` of the rest.
      const other = await Workspace.make(await stack({ hosts: inventory(lab.host) }));
      await other.succeed(
        'import',
        '-input=false',
        address,
        address.includes('users') ? 'h1/per-domain' : 'h1',
      );
      const said = await other.fail('destroy', '-input=false', '-auto-approve');
      expect(said).toMatch(/is in use by guest web1|are in use by guest web1/);
      expect(await other.addresses()).toEqual([address]);
      other.remove();
    }
    expect(await workspace.plan()).toMatchObject({ exitCode: 0 });
  });

  it('leaves nothing when all is destroyed', async () => {
    await workspace.destroy();
    expect(compareSnapshots(before, await snapshotHost(lab.host))).toEqual([]);
  });
});
