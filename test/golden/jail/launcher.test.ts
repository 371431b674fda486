import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import type { LaunchPlan } from '../../../provider/jail/launch-plan.ts';
import { launcherScript } from '../../../provider/jail/launcher.ts';
import { qemuArguments, qemuConfinement } from '../../../provider/toolstacks/qemu/argv.ts';
import { samplePlan, samplePlanParts, sampleQemu } from '../../samples.ts';
import { unitDropIn, unitTemplate } from '../../../provider/toolstacks/qemu/supervisor.ts';

const guest = {
  name: 'web1',
  memoryMib: 256,
  vcpus: 2,
  machine: 'q35',
  accelerator: 'tcg',
  commandLine: 'console=ttyS0 panic=-1',
} as const;

function planOf(version: '7.2' | '8.1' | '10.0', more: Partial<LaunchPlan> = {}): LaunchPlan {
  const flags = {
    '7.2': { runWithChroot: false, runWithUser: false, runasNumeric: true },
    '8.1': { runWithChroot: true, runWithUser: false, runasNumeric: true },
    '10.0': { runWithChroot: true, runWithUser: true, runasNumeric: true },
  }[version];
  return {
    guest: guest.name,
    qemuBinary: '/usr/bin/qemu-system-x86_64',
    qemuArguments: qemuArguments(guest, { kernel: '/k/vmlinuz', initrd: '/k/initrd' }, sampleQemu),
    confinement: qemuConfinement(flags),
    vcpus: guest.vcpus,
    usesKvm: false,
    ...samplePlanParts,
    serialLogMaxKib: 1024,
    shutdownTimeoutSeconds: 20,
    restartPolicy: 'never',
    ...more,
  };
}

const cases: readonly (readonly [string, LaunchPlan])[] = [
  ['qemu-7.2', planOf('7.2')],
  ['qemu-8.1', planOf('8.1')],
  ['qemu-10.0', planOf('10.0')],
  ['kvm', planOf('10.0', { usesKvm: true })],
  ['devices', planOf('7.2', { devices: ['kvm', 'net/tun', 'vfio/12', 'vfio/vfio'] })],
  ['apparmor', planOf('7.2', { requests: { ...samplePlanParts.requests, lsm: 'on' } })],
  [
    'local-shares',
    planOf('10.0', {
      shares: [
        {
          ...{ tag: 'data', source: `/srv/it's a "share", 100% $(x)`, readonly: true, onlyWriter: false },
          ...{ maxFileMib: 1024, driver: { kind: 'local', securityModel: 'mapped-file' } },
        },
        {
          ...{ tag: 'w', source: '/srv/w', readonly: false, onlyWriter: true },
          ...{ maxFileMib: 2048, driver: { kind: 'local', securityModel: 'mapped-file' } },
        },
      ],
    }),
  ],
  [
    'local-share-none',
    planOf('10.0', {
      requests: { ...samplePlanParts.requests, chroot: 'off' },
      shares: [
        {
          ...{ tag: 'w', source: '/srv/w', readonly: false, onlyWriter: false },
          ...{ maxFileMib: 2048, driver: { kind: 'local', securityModel: 'none' } },
        },
      ],
    }),
  ],
  ['no-time-to-shut-down', planOf('7.2', { shutdownTimeoutSeconds: 0 })],
];

describe('launcher', () => {
  it.each(cases)('%s', async (name, plan) => {
    const script = launcherScript(plan);
    await expect(script).toMatchFileSnapshot(`launcher/${name}.sh`);
    const checked = spawnSync('dash', ['-n'], { input: script });
    expect([checked.status, checked.stderr.toString()]).toEqual([0, '']);
  });

  it('starts nothing in the background before /dev is what it stays: a shell opens /dev/null for that', () => {
    const steps = [...launcherScript(planOf('7.2')).matchAll(/^ {4}step_(\w+)$/gm)].map(([, name]) => name);
    const inside = steps.slice(steps.indexOf('trusted_files'), steps.indexOf('launch') + 1);
    expect(inside).toEqual([
      'trusted_files',
      'view',
      'device_nodes',
      'enter_view',
      'pipes',
      'loggers',
      'launch',
    ]);
  });

  it('tells the kernel what confines the next program, and nothing is executed in between', () => {
    const script = launcherScript(planOf('7.2', { requests: { ...samplePlanParts.requests, lsm: 'on' } }));
    const steps = [...script.matchAll(/^ {4}step_(\w+)$/gm)].map(([, name]) => name);
    expect(steps.slice(steps.indexOf('label'))).toEqual(
      expect.arrayContaining(['enter_view', 'pipes', 'loggers', 'launch']),
    );
    expect(script).toMatch(
      /printf 'exec %s' stockade-guest >&0 \|\| fail [^\n]*\n {2}command exec <\/dev\/null \|\| fail [^\n]*\n {2}exec prlimit/,
    );
    // the next program of the shell's would be confined as a logger: none may come but loggers
    const loggers = script.slice(script.indexOf("printf 'exec %s' stockade-guest-logger"));
    expect(loggers.slice(0, loggers.indexOf('\n}'))).toMatch(
      /^[^\n]*\n {2}start_logger stderr \d+\n {2}start_logger serial \d+$/,
    );
    expect(launcherScript(planOf('7.2'))).not.toContain('attr/');
  });

  it('quotes whatever a kernel is told', () => {
    const commandLine = `it's $(touch /x) \`y\` "z" \\ \t; exit`;
    const qemuArgs = qemuArguments({ ...guest, commandLine }, { kernel: "/k/it's, a" }, sampleQemu);
    const script = launcherScript(planOf('7.2', { qemuArguments: qemuArgs }));
    const files = script.slice(
      script.indexOf('  set -- /usr/bin/qemu'),
      script.indexOf('  for path do [ -f "$path" ]'),
    );
    const named = spawnSync('dash', ['-c', `${files}\nprintf '%s\\0' "$@"`]);
    expect(named.stdout.toString().split('\0')).toEqual(['/usr/bin/qemu-system-x86_64', "/k/it's, a", '']);
    const last = script.slice(
      script.indexOf('  exec prlimit --fsize=262144'),
      script.indexOf(' \\\n    -runas'),
    );
    const printed = spawnSync('dash', [
      '-c',
      `prlimit() { printf '%s\\0' "$@"; }; own_user= qemu_binary=/q guest_kernel="/k/it's, a"; ${last.replace('exec ', '')}`,
    ]);
    expect(printed.stdout.toString().split('\0').slice(-5, -1)).toEqual([
      '-kernel',
      "/k/it's, a",
      '-append',
      commandLine,
    ]);
  });
});

describe('unit', () => {
  it('template', async () => {
    await expect(unitTemplate()).toMatchFileSnapshot('unit/stockade-guest@.service');
  });
  it.each(['never', 'on_crash'] as const)('drop-in, restart %s', async (restartPolicy) => {
    const dropIn = unitDropIn(samplePlan({ restartPolicy, shutdownTimeoutSeconds: 20 }));
    await expect(dropIn).toMatchFileSnapshot(`unit/restart-${restartPolicy}.conf`);
  });
  it('drop-in with limits of bandwidth, disks that are devices, paths that need quoting, and a device', async () => {
    const backing = [{ path: '/srv/the base.qcow2', format: 'qcow2' as const }];
    const plan = samplePlan({
      usesKvm: true,
      devices: ['vfio/12'],
      disks: [
        { name: 'a', path: '/srv/100%"\\.raw', format: 'raw', readonly: false, backing },
        { name: 'b', path: '/dev/disk/by-id/b', format: 'raw', readonly: true, backing: [] },
      ],
      limits: { ...samplePlan().limits, ioReadMibPerSecond: 20, ioWriteMibPerSecond: 5 },
    });
    await expect(unitDropIn(plan)).toMatchFileSnapshot('unit/limits.conf');
  });
  it('drop-in without limits', async () => {
    const requests = { ...samplePlan().requests, 'cgroup-limits': 'off' as const };
    await expect(unitDropIn(samplePlan({ requests }))).toMatchFileSnapshot('unit/no-limits.conf');
  });
});

describe('QEMU arguments', () => {
  it.each(['q35', 'pc', 'microvm'] as const)('%s', async (machine) => {
    const argv = qemuArguments(
      { ...guest, machine, accelerator: 'kvm' },
      { kernel: '/k/vmlinuz' },
      sampleQemu,
    );
    await expect(`${argv.join('\n')}\n`).toMatchFileSnapshot(`argv/${machine}.txt`);
  });
  it('doubles commas where QEMU would part at them', () => {
    const argv = qemuArguments(guest, { kernel: '/k/a,b' }, sampleQemu, { state: '/s', run: '/r,x' });
    expect(argv).toContain('pipe,id=qmp,path=/r,,x/guests/web1/qmp');
    expect(argv).toContain('/k/a,b');
  });
});
