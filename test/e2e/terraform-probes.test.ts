import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sh, ShellText } from '../../provider/model/shell.ts';
import { compareSnapshots, type HostSnapshot, snapshotHost } from '../lab/snapshot.ts';
import { useLab } from '../lab/vitest.ts';
import { type Configuration, flat, inventory, Workspace } from './terraform.fixture.ts';

const lab = useLab({ hosts: 1, name: 'tf-probes' });
const host = 'stockade_host.h1';
let workspace: Workspace;
let before: HostSnapshot;

const onHost = (text: string) => lab.host.run(ShellText.unsafelyFromProgramText(text));

function configured(probes?: Configuration): Configuration {
  const { name } = lab.host;
  return {
    provider: { stockade: { fleet: 'fleet-1', hosts: inventory(lab.host) } },
    resource: { stockade_host: { h1: { name, ...(probes === undefined ? {} : { probes }) } } },
    output: { unproven: { value: `\${try(${host}.probe_report.unproven, [])}` } },
  };
}

interface Report {
  readonly qemu_version: string;
  readonly kernel: string;
  readonly got_through: readonly string[];
  readonly accepted: readonly string[];
  readonly unproven: readonly string[];
  readonly results: Readonly<Record<string, string>>;
}

const report = async () => (await workspace.state(host))['probe_report'] as Report;

/** The launcher's program for limits, replaced by one that sets none: what a host may do to its guests without anybody noticing. */
const withoutLimits = `cp -p /usr/bin/prlimit /root/prlimit
cat >/usr/bin/prlimit.new <<'END'
#!/bin/sh
while :; do case $1 in -*) shift ;; *) exec "$@" ;; esac; done
END
chmod 755 /usr/bin/prlimit.new
mv /usr/bin/prlimit.new /usr/bin/prlimit`;
const withLimits = 'mv /root/prlimit /usr/bin/prlimit';
const unlimited = ['grow-file', 'lock-memory', 'message-queue', 'threads', 'write-far'];

beforeAll(async () => {
  before = await snapshotHost(lab.host);
  workspace = await Workspace.make(configured());
});
afterAll(() => workspace.remove());

describe('a host without probes', () => {
  it('has no report, and no user for canaries', async () => {
    await workspace.apply();
    expect(await report()).toBeNull();
    expect((await lab.host.exec(sh`getent passwd xen-qemuuser-canary`)).exitCode).toBe(2);
  });
});

describe('probes that are asked for', () => {
  it('run when the host is applied, and say per probe what stopped it', async () => {
    workspace.write(configured({ run: 'first' }));
    const { actions, differences } = await workspace.plan();
    expect(actions).toEqual({ [host]: 'update' });
    expect(differences).toEqual([`${host} probes: null -> {"control":true,"run":"first"}`]);
    const output = flat(await workspace.apply());
    expect(output).toContain('prove nothing on h1: ');
    const { got_through: through, unproven, results, ...rest } = await report();
    expect(through).toEqual([]);
    expect(rest.accepted).toEqual(['setpgid', 'setsid']);
    // what a container host has not
    expect(unproven).toEqual(['init-module', 'iopl', 'open-kmsg', 'open-mem', 'use-memory']);
    expect(results['syscall-fork']).toBe('stopped by seccomp: SIGSYS (without the jail: success)');
    expect(results['open-mem']).toBe('unproven: it does not get through without the jail either (ENOENT)');
    expect(results['setsid']).toMatch(/^accepted: it changes nothing but the process itself/);
    expect(rest.qemu_version).toMatch(/^7\.2\./);
    expect(rest.kernel).toBe((await onHost('uname -r')).trim());
  });

  it('do not run again by themselves: a plan without changes is empty', async () => {
    const { exitCode, output } = await workspace.plan();
    expect(exitCode, output).toBe(0);
    expect(output).not.toContain('Warning');
    expect(await onHost('ls -A /run/stockade')).not.toContain('probes');
  });

  it('run again when that is asked for, here without a control', async () => {
    workspace.write(configured({ run: 'second', control: false }));
    expect(await workspace.plan()).toMatchObject({ exitCode: 2, actions: { [host]: 'update' } });
    await workspace.apply();
    const { results } = await report();
    expect(results['syscall-fork']).toBe('stopped by seccomp: SIGSYS');
    expect(results['connect-abstract']).toMatch(/^unproven: .*a control would tell$/);
    expect(await workspace.plan()).toMatchObject({ exitCode: 0 });
  });
});

describe('a host that undoes a layer', () => {
  it('fails the apply, with the layer, the probes and what to do; nothing else looks wrong', async () => {
    await onHost(withoutLimits);
    expect(await workspace.plan()).toMatchObject({ exitCode: 0 });
    workspace.write(configured({ run: 'third' }));
    const output = await workspace.fail('apply', '-input=false', '-auto-approve');
    expect(output).toContain(
      `Error: rlimits: 5 probes got through on h1: write-far, grow-file, lock-memory, message-queue, threads`,
    );
    expect(output).toContain('What to do: Run no guest on this host that you do not trust');
    expect(output.match(/Error:/g)).toHaveLength(1);
    const { got_through: through, results } = await report();
    expect(through).toEqual(unlimited);
    expect(results['threads']).toBe('got through rlimits: success (without the jail: success)');
  });

  it('stays in the plan until the probes are stopped again', async () => {
    expect(await workspace.plan()).toMatchObject({ exitCode: 2, actions: { [host]: 'update' } });
    await onHost(withLimits);
    await workspace.apply();
    expect((await report()).got_through).toEqual([]);
    expect(await workspace.plan()).toMatchObject({ exitCode: 0 });
  });

  it('is not taken as made where it is new', async () => {
    await workspace.destroy();
    await onHost(withoutLimits);
    await workspace.fail('apply', '-input=false', '-auto-approve');
    expect((await report()).got_through).toEqual(unlimited);
    expect(await workspace.plan()).toMatchObject({ actions: { [host]: 'delete,create' } });
    await onHost(withLimits);
    await workspace.apply();
    expect(await workspace.plan()).toMatchObject({ exitCode: 0 });
  });
});

describe('probes that cannot be made', () => {
  it('are an error rather than a proof', async () => {
    await onHost(
      `printf '#!/bin/sh\\necho aarch64\\n' >/usr/local/sbin/uname; chmod 755 /usr/local/sbin/uname`,
    );
    workspace.write(configured({ run: 'fourth' }));
    const output = await workspace.fail('apply', '-input=false', '-auto-approve');
    await onHost('rm /usr/local/sbin/uname');
    expect(output).toContain('Error: no probe proves anything on h1');
    expect(output).toContain('this host is another machine');
    expect(await workspace.plan()).toMatchObject({ exitCode: 2 });
  });
});

describe('probes that are asked for no more', () => {
  it('leave no report, and the host as it was', async () => {
    workspace.write(configured());
    await workspace.apply();
    expect(await report()).toBeNull();
    expect(await workspace.plan()).toMatchObject({ exitCode: 0 });
    await workspace.destroy();
    expect(compareSnapshots(before, await snapshotHost(lab.host))).toEqual([]);
  });
});
