import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ShellText } from '../../provider/model/shell.ts';
import { compareSnapshots, type HostSnapshot, snapshotHost } from '../lab/snapshot.ts';
import { useLab } from '../lab/vitest.ts';
import { type Configuration, inventory, stack, Workspace } from './terraform.fixture.ts';

const lab = useLab({ hosts: 1, name: 'tf-departures' });
const guest = 'stockade_guest.db1';
const evidence = 'data.stockade_guest_evidence.db1';
const unit = 'stockade-guest@db1.service';
let workspace: Workspace;
let before: HostSnapshot;

const onHost = (text: string) => lab.host.run(ShellText.unsafelyFromProgramText(text));
const mainPid = async () => Number(await onHost(`systemctl show --property=MainPID --value ${unit}`));

async function configured(change: Configuration = {}, host: Configuration = {}): Promise<Configuration> {
  const whole = await stack({ hosts: inventory(lab.host), guests: ['db1'], guest: change });
  const reference = { host: `\${${guest}.host}`, guest: `\${${guest}.name}` };
  return {
    ...whole,
    resource: {
      ...(whole['resource'] as Configuration),
      stockade_host: { h1: { name: 'h1', ...host } },
    },
    data: {
      stockade_guest_evidence: { db1: { ...reference, generation: `\${${guest}.generation}` } },
    },
  };
}

beforeAll(async () => {
  before = await snapshotHost(lab.host);
  workspace = await Workspace.make(await configured());
});
afterAll(() => workspace.remove());

/** All there is to say of a guest, with something left unset inside of each part. */
const everything: Configuration = {
  disks: [
    { name: 'root', path: '/srv/db1/root.img', format: 'raw', size_mib: 4 },
    {
      name: 'tools',
      path: '/srv/db1/tools.qcow2',
      format: 'qcow2',
      readonly: true,
      backing: [{ path: '/srv/db1/base.img', format: 'raw' }],
    },
  ],
  shared_memory: true,
  network: 'user',
  limits: { tasks: 200, cpu_percent: 120 },
  isolation: { off: ['uts-namespace', 'net-namespace'], may_be_missing: ['lsm'] },
};

describe('a guest with all that a definition can say', () => {
  beforeAll(async () => {
    await onHost(`mkdir -m 0755 /srv/db1
cd /srv/db1
truncate -s 4M root.img base.img
qemu-img create -q -f qcow2 -F raw -b /srv/db1/base.img tools.qcow2`);
  });

  it('is made, and shows no changes', async () => {
    workspace.write(await configured(everything));
    const { output } = await workspace.plan();
    expect(output).toContain(
      'guest db1 loses: uts namespace, network namespace, task limit of 97 (becomes 200); gains: a shared memory file, user-mode network',
    );
    await workspace.apply();
    expect(await workspace.plan()).toMatchObject({ exitCode: 0, differences: [] });
    expect(await workspace.state(evidence)).toMatchObject({ running: true, isolated: true });
  });

  it('is the same where its sets are written in another order', async () => {
    workspace.write(
      await configured({
        ...everything,
        isolation: { off: ['net-namespace', 'uts-namespace'], may_be_missing: ['lsm'] },
      }),
    );
    expect(await workspace.plan()).toMatchObject({ exitCode: 0, differences: [] });
  });

  it('is given back by an import, without a difference', async () => {
    const other = await Workspace.make(await configured(everything));
    await other.succeed('import', '-input=false', 'stockade_host.h1', 'h1');
    await other.succeed('import', '-input=false', 'stockade_qemu_users.h1', 'h1/per-domain');
    await other.succeed('import', '-input=false', guest, 'h1/db1');
    const { exitCode, differences, output } = await other.plan();
    expect({ exitCode, differences }, output).toEqual({ exitCode: 0, differences: [] });
    other.remove();
  });

  it('restarts, announced part by part, where one part changes', async () => {
    const pid = await mainPid();
    const [root] = everything['disks'] as readonly Configuration[];
    const change = { disks: [root], limits: { tasks: 150 }, isolation: { off: ['uts-namespace'] } };
    workspace.write(await configured({ ...everything, ...change }));
    const { output } = await workspace.plan();
    expect(output).toContain(
      'guest db1 on h1 restarts: disks.tools /srv/db1/tools.qcow2 (qcow2) on /srv/db1/base.img (raw), read-only -> (none), limits.cpuPercent 120 -> (none), limits.tasks 200 -> 150, isolation.off net-namespace, uts-namespace -> uts-namespace, isolation.mayBeMissing lsm -> (none)'
        .replace('cpuPercent', 'cpu_percent')
        .replace('mayBeMissing', 'may_be_missing'),
    );
    expect(output).toContain(
      'guest db1 loses: processor limit of 120 % (becomes 150 %); regains: network namespace, task limit of 150 (was 200)',
    );
    await workspace.apply();
    expect(await mainPid()).not.toBe(pid);
    expect(await workspace.plan()).toMatchObject({ exitCode: 0, differences: [] });
  });

  it('shows what somebody else has changed, also where it is nothing now', async () => {
    const configuration = await configured(everything);
    const other = await Workspace.make(configuration);
    await other.succeed('import', '-input=false', 'stockade_host.h1', 'h1');
    await other.succeed('import', '-input=false', 'stockade_qemu_users.h1', 'h1/per-domain');
    await other.succeed('import', '-input=false', guest, 'h1/db1');
    other.write(await configured());
    await other.apply();
    other.remove();
    const { differences } = await workspace.plan();
    expect(differences).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/db1 disks: null -> /),
        expect.stringMatching(/db1 isolation: null -> /),
        expect.stringMatching(/db1 shared_memory: false -> true/),
      ]),
    );
  });

  it('may say nothing in many ways', async () => {
    const nothing = { disks: [], devices: [], limits: {}, isolation: { off: [], may_be_missing: [] } };
    workspace.write(await configured(nothing));
    await workspace.apply();
    const pid = await mainPid();
    expect(await workspace.plan()).toMatchObject({ exitCode: 0, differences: [] });
    workspace.write(await configured({ isolation: {} }));
    await workspace.apply();
    expect(await workspace.plan()).toMatchObject({ exitCode: 0, differences: [] });
    workspace.write(await configured());
    await workspace.apply();
    expect(await workspace.plan()).toMatchObject({ exitCode: 0, differences: [] });
    expect(await mainPid()).toBe(pid);
  });

  it('is gone, and its images are not', async () => {
    await workspace.destroy();
    expect((await onHost('ls /srv/db1')).split('\n')).toEqual(['base.img', 'root.img', 'tools.qcow2', '']);
    await onHost('rm -r /srv/db1');
    expect(compareSnapshots(before, await snapshotHost(lab.host))).toEqual([]);
  });
});

describe('a host that cannot give a layer', () => {
  const binary = '/usr/bin/qemu-without-seccomp';
  const host = { qemu_binary: binary };
  const missing = { isolation: { may_be_missing: ['seccomp'] } };

  beforeAll(async () => {
    // QEMU finds its firmware from where it is itself. This one's help no longer names the sub-option by which a QEMU with a filter is known.
    await onHost(`sed 's/spawn=allow/spoon=allow/' /usr/bin/qemu-system-x86_64 >${binary}
chmod 755 ${binary}`);
  });

  it('is found by Apply where it was to be prepared first, and nothing is done for the guest', async () => {
    workspace.write(await configured({}, host));
    expect((await workspace.plan()).exitCode).toBe(2);
    const said = await workspace.fail('apply', '-input=false', '-auto-approve');
    expect(said).toContain(
      'guest db1 on h1: the host cannot give the layer seccomp: its QEMU was built without',
    );
    expect(said).toContain('may_be_missing = ["seccomp"]');
    expect(await onHost('ls /var/lib/stockade/guests')).toBe('');
    expect(await workspace.addresses()).toEqual(['stockade_host.h1', 'stockade_qemu_users.h1']);
  });

  it('is an error of the plan where it is known', async () => {
    const { exitCode, output } = await workspace.plan();
    expect(exitCode).toBe(1);
    expect(output).toContain('Error: guest db1 on h1: the host cannot give the layer seccomp');
  });

  it('runs a guest that does without: missing in plan and evidence', async () => {
    workspace.write(await configured(missing, host));
    const { output } = await workspace.plan();
    expect(output).toContain('guest db1 loses: seccomp filter');
    expect(output).toMatch(
      /seccomp filter \(isolation\.may_be_missing; its QEMU was built without seccomp\)/,
    );
    await workspace.apply();
    const { isolated, proven, layers } = await workspace.state(evidence);
    expect({ isolated, proven }).toEqual({ isolated: true, proven: false });
    expect(layers).toMatchObject({ seccomp: { state: 'missing' }, chroot: { state: 'effective' } });
    expect(await workspace.plan()).toMatchObject({ exitCode: 0 });
  });

  it('says what is regained once it can, and lost once it cannot again', async () => {
    workspace.write(await configured(missing));
    await workspace.apply('-target=stockade_host.h1');
    const better = await workspace.plan();
    expect(better.output).toContain('guest db1 regains: seccomp filter');
    await workspace.apply();
    expect((await workspace.state(evidence))['layers']).toMatchObject({ seccomp: { state: 'effective' } });
    workspace.write(await configured(missing, host));
    await workspace.apply('-target=stockade_host.h1');
    expect((await workspace.plan()).output).toContain('guest db1 loses: seccomp filter');
    await workspace.apply();
    expect(await workspace.plan()).toMatchObject({ exitCode: 0 });
  });

  it('is left as it was', async () => {
    await workspace.destroy();
    await onHost(`rm ${binary}`);
    expect(compareSnapshots(before, await snapshotHost(lab.host))).toEqual([]);
  });
});
