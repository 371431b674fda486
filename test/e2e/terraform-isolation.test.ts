import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { layerNames } from '../../provider/model/evidence.ts';
import { ShellText } from '../../provider/model/shell.ts';
import { containerStates } from '../container-host.ts';
import { compareSnapshots, type HostSnapshot, snapshotHost } from '../lab/snapshot.ts';
import { useLab } from '../lab/vitest.ts';
import { type Configuration, flat, inventory, stack, Workspace } from './terraform.fixture.ts';

const lab = useLab({ hosts: 1, name: 'tf-isolation' });
const guest = 'stockade_guest.db1';
const evidence = 'data.stockade_guest_evidence.db1';
const unit = 'stockade-guest@db1.service';
const tcg = 'must not rely on QEMU to provide guest isolation or any security guarantees';
let workspace: Workspace;
let before: HostSnapshot;

const onHost = (text: string) => lab.host.run(ShellText.unsafelyFromProgramText(text));
const mainPid = async () => Number(await onHost(`systemctl show --property=MainPID --value ${unit}`));

async function configured(change: Configuration = {}, more: Configuration = {}): Promise<Configuration> {
  const whole = await stack({ hosts: inventory(lab.host), guests: ['db1'], guest: change });
  return {
    ...whole,
    data: {
      stockade_guest_evidence: {
        db1: {
          host: `\${${guest}.host}`,
          guest: `\${${guest}.name}`,
          generation: `\${${guest}.generation}`,
        },
      },
    },
    output: {
      isolated: { value: `\${${evidence}.isolated}` },
      proven: { value: `\${${evidence}.proven}` },
    },
    ...more,
  };
}

interface Shown {
  readonly running: boolean;
  readonly isolated: boolean;
  readonly proven: boolean;
  readonly layers: Readonly<
    Record<string, Readonly<Record<'state' | 'observed' | 'unprovable', string | null>>>
  >;
}

const shownEvidence = async () => (await workspace.state(evidence)) as unknown as Shown;
const states = ({ layers }: Shown) =>
  Object.fromEntries(Object.entries(layers).map(([name, { state }]) => [name, state]));

beforeAll(async () => {
  before = await snapshotHost(lab.host);
  workspace = await Workspace.make(await configured());
});
afterAll(() => workspace.remove());

describe('a guest with everything on', () => {
  it('is made with a word of QEMU on emulation, and no other', async () => {
    const { output } = await workspace.plan();
    expect(output).toContain(
      'Warning: guest db1 on h1: QEMU gives no security guarantee for emulation (tcg)',
    );
    expect(output).toContain(tcg);
    expect(output.match(/Warning:/g)).toHaveLength(1);
    await workspace.apply();
  });

  it('is isolated, and shows what its host cannot prove', async () => {
    const shown = await shownEvidence();
    expect(shown).toMatchObject({ running: true, isolated: true, proven: false });
    expect(states(shown)).toEqual(containerStates);
    expect(shown.layers['cgroup-limits']?.unprovable).toMatch(/does not enforce limits/);
    const others = layerNames.filter((layer) => layer !== 'cgroup-limits');
    for (const layer of others) expect(shown.layers[layer]?.unprovable).toBeNull();
  });

  it('is planned in silence where nothing changes', async () => {
    const { exitCode, output } = await workspace.plan();
    expect(exitCode, output).toBe(0);
    expect(output).not.toContain('Warning');
  });
});

describe('a guest that is weakened', () => {
  const weak: Configuration = {
    isolation: { off: ['net-namespace'] },
    limits: { tasks: 200 },
  };

  it('shows in the plan what it loses and gains, what that means, and where it comes from', async () => {
    workspace.write(await configured({ ...weak, devices: ['/dev/net/tun'] }));
    const { output, differences } = await workspace.plan();
    expect(output).toContain(
      'Warning: guest db1 loses: network namespace, task limit of 97 (becomes 200); gains: /dev/net/tun',
    );
    expect(output).toMatch(/It loses network namespace \(isolation\.off\): QEMU uses the host's own network/);
    expect(output).toMatch(/It gains \/dev\/net\/tun \(devices\): QEMU may open this device/);
    expect(output).toContain(
      'Warning: guest db1 on h1 restarts: devices (none) -> /dev/net/tun, limits.tasks (none) -> 200, isolation.off (none) -> net-namespace',
    );
    expect(output).toContain(tcg);
    expect(differences.length).toBeGreaterThan(0);
  });

  it('runs so, isolated as asked for, and the layer is off in the evidence', async () => {
    workspace.write(await configured(weak));
    await workspace.apply();
    const shown = await shownEvidence();
    expect(shown).toMatchObject({ isolated: true, proven: false });
    expect(states(shown)).toEqual({ ...containerStates, 'net-namespace': 'off' });
    const { exitCode, output } = await workspace.plan();
    expect(exitCode, output).toBe(0);
    expect(output).not.toContain('Warning');
  });

  it('shows what it regains and gives up', async () => {
    workspace.write(await configured());
    const { output } = await workspace.plan();
    expect(output).toContain('Warning: guest db1 regains: network namespace, task limit of 97 (was 200)');
    await workspace.apply();
    expect(states(await shownEvidence())).toEqual(containerStates);
    expect(await workspace.plan()).toMatchObject({ exitCode: 0 });
  });

  it("gets QEMU's words on a machine type that is no security boundary, and on its own network", async () => {
    workspace.write(await configured({ machine: 'isapc' }));
    const machine = await workspace.plan();
    expect(machine.output).toContain('QEMU does not support machine isapc as a security boundary');
    expect(machine.output).toContain('should not be considered to be providing guest isolation');
    await workspace.apply();
    expect(await shownEvidence()).toMatchObject({ running: true, isolated: true });
    workspace.write(await configured({ network: 'user' }));
    const network = await workspace.plan();
    expect(network.output).toContain('Warning: guest db1 gains: user-mode network');
    expect(network.output).toContain('not executed in QEMU context');
    workspace.write(await configured());
    await workspace.apply();
  });
});

describe('departures that cannot be together', () => {
  it.each([
    [{ isolation: { off: ['mount-namespace'] } }, 'isolation.off has mount-namespace and must then'],
    [{ isolation: { off: ['no-new-privs'] } }, 'isolation.off has no-new-privs and must then have seccomp'],
    [
      { isolation: { off: ['seccomp'], may_be_missing: ['seccomp'] } },
      'isolation.may_be_missing has seccomp, which is switched off already',
    ],
    [
      {
        disks: [
          { name: 'a', path: '/srv/a', format: 'raw' },
          { name: 'b', path: '/srv//a', format: 'raw' },
        ],
      },
      'disks[1].path must not be used twice while it is written to: /srv/a',
    ],
  ])('are refused by validate: %j', async (change, message) => {
    workspace.write(await configured(change));
    expect(await workspace.fail('validate')).toContain(message);
  });
});

describe('a definition that is not wholly known while planning', () => {
  it('is warned of as far as it is, and of the rest when it is applied', async () => {
    const resource = (await configured())['resource'] as Configuration;
    const late = { input: ['seccomp'] };
    const weak = {
      isolation: { off: '${terraform_data.late.output}', host_dev_mounts: true },
      limits: { open_files: 4096 },
    };
    const whole = await configured(weak);
    workspace.write({
      ...whole,
      resource: { ...(whole['resource'] as Configuration), terraform_data: { late } },
    });
    const { output } = await workspace.plan();
    expect(output).toContain(
      'guest db1 loses: mounts of its own below /dev, open files limit of 2048 (becomes 4096)',
    );
    const applied = flat(await workspace.apply());
    expect(applied).toContain('guest db1 loses: seccomp filter, mounts of its own below /dev, open files');
    expect(states(await shownEvidence())).toEqual({ ...containerStates, seccomp: 'off' });
    expect(await workspace.plan()).toMatchObject({ exitCode: 0 });
    workspace.write({ ...(await configured()), resource });
    await workspace.apply();
    expect(await workspace.plan()).toMatchObject({ exitCode: 0 });
  });
});

interface Drift {
  readonly what: string;
  readonly hand: string;
  readonly plan: readonly RegExp[];
  /** Layers that are not as they were, as the data source shows them. */
  readonly layers: Readonly<Record<string, string>> | 'all unproven';
}

const qemuOf =
  'qemu=$(pgrep -P "$(systemctl show --property=MainPID --value stockade-guest@db1.service)" qemu)';
const binary = '/usr/bin/qemu-system-x86_64';

const drifts: readonly Drift[] = [
  {
    what: 'a limit changed with prlimit',
    hand: `${qemuOf}
while read -r key id _; do
  case $key in Uid:) uid=$id ;; Gid:) gid=$id ;; esac
done <"/proc/$qemu/status"
setpriv --reuid="$uid" --regid="$gid" --clear-groups prlimit --pid="$qemu" --nofile=1024:1024`,
    plan: [/db1 integrity\.isolation: "rlimits ineffective: device-model has nofile 1024" -> "ok"/],
    layers: { rlimits: 'ineffective' },
  },
  {
    what: 'the mode of the chroot changed',
    hand: 'chmod 0755 /run/stockade/root/db1',
    plan: [
      /db1 integrity\.chroot: "mode 0755, not 0000" -> "ok"/,
      /db1 integrity\.isolation: "chroot ineffective: .*" -> "ok"/,
    ],
    layers: { chroot: 'ineffective' },
  },
  {
    what: 'QEMU replaced by an unrestricted process under the same name',
    hand: `mkdir -p /run/systemd/system/${unit}.d
cat >/run/systemd/system/${unit}.d/50-mine.conf <<'END'
[Service]
ExecStart=
ExecStart=${binary} -name guest=db1 -nodefaults -display none -machine q35,accel=tcg -S
END
systemctl daemon-reload
systemctl restart ${unit}
rm -r /run/systemd/system/${unit}.d
systemctl daemon-reload`,
    plan: [
      /db1 integrity\.isolation: ".*ineffective.*" -> "ok"/,
      /db1 integrity\.process: "runs without its loggers? .*" -> "ok"/,
    ],
    layers: {
      user: 'ineffective',
      chroot: 'ineffective',
      seccomp: 'ineffective',
      'net-namespace': 'ineffective',
    },
  },
  {
    what: 'the process moved to another cgroup',
    hand: `${qemuOf}
for mount in /sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/systemd; do
  [ -e "$mount/system.slice/cgroup.procs" ] || continue
  mkdir "$mount/system.slice/mine.service"
  echo "$qemu" >"$mount/system.slice/mine.service/cgroup.procs"
  break
done`,
    plan: [/db1 integrity\.isolation: "cgroup-limits ineffective: .*" -> "ok"/],
    layers: { 'cgroup-limits': 'ineffective' },
  },
  {
    what: "the host's QEMU upgraded under the running guest",
    hand: `cp -p ${binary} ${binary}.new
mv ${binary}.new ${binary}`,
    plan: [
      /db1 integrity\.isolation: "\d+ of 16 layers unproven: QEMU was upgraded since the guest's start .*" -> "ok"/,
    ],
    layers: 'all unproven',
  },
];

describe('drift of isolation', () => {
  for (const { what, hand, plan, layers } of drifts) {
    const undisturbed = what === 'the mode of the chroot changed';
    it(`shows in the next plan and in the evidence, and is healed: ${what}`, async () => {
      const pid = await mainPid();
      await onHost(hand);
      const { exitCode, differences, output } = await workspace.plan();
      expect({ exitCode, differences }, output).toEqual({
        exitCode: 2,
        differences: plan.map((pattern) => expect.stringMatching(pattern) as string),
      });
      expect(output).not.toContain('db1 loses');
      await workspace.apply('-refresh-only');
      const shown = await shownEvidence();
      expect(shown).toMatchObject({ running: true, isolated: false, proven: false });
      if (layers === 'all unproven') {
        const expected = layerNames.map((layer) => [layer, layer === 'lsm' ? 'missing' : 'unproven']);
        expect(states(shown)).toEqual(Object.fromEntries(expected));
      } else expect(states(shown)).toMatchObject(layers);
      await workspace.apply();
      expect(await workspace.plan()).toMatchObject({ exitCode: 0, differences: [] });
      expect(await shownEvidence()).toMatchObject({ isolated: true });
      expect((await mainPid()) === pid).toBe(undisturbed);
    });
  }
});

describe('the end', () => {
  it('leaves the host as it was', async () => {
    workspace.write(await configured());
    await workspace.destroy();
    expect(compareSnapshots(before, await snapshotHost(lab.host))).toEqual([]);
  });
});
