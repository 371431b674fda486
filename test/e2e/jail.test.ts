import { beforeAll, describe, expect, it } from 'vitest';
import { type GuestEvidence, type LayerName, layerNames } from '../../provider/model/evidence.ts';
import { sandboxOption } from '../../provider/jail/seccomp.ts';
import { guestUnit } from '../../provider/model/paths.ts';
import { sh } from '../../provider/model/shell.ts';
import { guestPlaces } from '../../provider/jail/places.ts';
import { useLab } from '../lab/vitest.ts';
import { buildGuestImage } from '../lab/guest/image.ts';
import { guestBanner, guestCommandLine } from '../lab/guest/init.ts';
import { faults, JailHost, qemuBinary, stateOf, without, withoutView } from './jail.fixture.ts';
import { containerStates } from '../container-host.ts';

const running = useLab({ hosts: 1, name: 'jail' });
let jail: JailHost;
beforeAll(async () => {
  jail = new JailHost(running.host);
  await jail.prepare(await buildGuestImage());
});

const plain = '#!/bin/sh\n[ "$1" = run ] || exit 0\n';

describe('a launched guest', () => {
  it('boots, with every layer effective on each of its processes', async () => {
    const guest = jail.place({ qemu: [], commandLine: guestCommandLine, initrd: 'quiet' });
    await jail.start(guest);
    const [evidence] = await jail.settled(guest);
    if (evidence === undefined) throw new Error('no evidence');
    expect(faults(evidence)).toEqual({});
    expect(evidence.layers.map((layer) => layer.layer)).toEqual(layerNames);
    const roles = evidence.processes.map((process) => process.role);
    expect(roles.filter((role) => role === 'device-model')).toHaveLength(1);
    expect(roles.filter((role) => role === 'namespace-parent')).toHaveLength(1);
    expect(roles.filter((role) => role === 'logger').length).toBeGreaterThanOrEqual(2);
    for (const process of evidence.processes) {
      expect(process.startTimeTicks).toBeGreaterThan(0);
      expect(process.bootId).toMatch(/^[0-9a-f-]{36}$/);
    }
    // New unit instance and drop-in, without a daemon-reload.
    expect(await jail.unitProperty(guest, 'NeedDaemonReload')).toBe('no');
    expect(await jail.unitProperty(guest, 'DropInPaths')).toContain('10-stockade.conf');
    expect(
      await jail.until(
        () => jail.log(guest, 'serial'),
        (text) => text.includes(guestBanner),
      ),
    ).toContain(guestBanner);
    await jail.stop(guest);
    expect(await jail.processesOf(guest.uid)).toEqual([]);
    const [after] = await jail.observe(guest);
    expect(after).toMatchObject({ running: false, unit: { activeState: 'inactive', result: 'success' } });
  });
});

describe('a QEMU that takes no user in numbers', () => {
  const named = { chroot: 'option', user: 'name' } as const;

  it("becomes the guest's user by its name, in no other group", async () => {
    const guest = jail.place({ plan: { confinement: named } });
    await running.host.run(['groupadd', '--gid', String(guest.uid), 'xen-qemuuser-named']);
    const options = ['--uid', String(guest.uid), '--gid', String(guest.uid), '--no-create-home'];
    await running.host.run(['useradd', ...options, 'xen-qemuuser-named']);
    await jail.start(guest);
    const [evidence] = await jail.settled(guest);
    if (evidence === undefined) throw new Error('no evidence');
    expect(faults(evidence)).toEqual({});
    await jail.stop(guest);
  });

  it('does not run, and not as root, where the user has no name', async () => {
    const guest = jail.place({ plan: { confinement: named } });
    await jail.startDoomed(guest);
    const [seen] = await jail.until(
      () => jail.observe(guest),
      ([shown]) => shown?.unit?.activeState === 'failed',
    );
    expect(seen?.running).toBe(false);
    const said = await running.host.run(['cat', guestPlaces(guest.name).launchError]);
    expect(said).toContain(`view: uid ${guest.uid} has no name, and this QEMU takes no number`);
  });
});

describe('a private /dev', () => {
  const inside = async (evidence: GuestEvidence | undefined): Promise<string> => {
    const parent = evidence?.processes.find(({ role }) => role === 'namespace-parent')?.pid ?? 0;
    return running.host.run(sh`cd /proc/${parent}/root/dev && find . ! -path './pts/*'`);
  };

  it("has the host's mounts below its /dev where they are asked for, and nowhere else", async () => {
    await running.host.run(
      sh`mkdir /dev/extra && mount -t tmpfs extra /dev/extra && mkdir /dev/extra/in && mount -t tmpfs inner /dev/extra/in && touch /dev/extra/in/mark`,
    );
    const guests = [jail.place({ plan: { hostDevMounts: true } }), jail.place()] as const;
    await jail.start(...guests);
    const [moved, fresh] = await jail.settled(...guests);
    expect([moved, fresh].map((each) => each && faults(each))).toEqual([{}, {}]);
    expect(await inside(moved)).toContain('./extra/in/mark\n');
    expect(await inside(fresh)).not.toContain('extra');
    await jail.stop(...guests);
    await running.host.run(sh`umount /dev/extra/in /dev/extra && rmdir /dev/extra`);
  });

  it('does without a node of those all guests get that the host has not, not without one that was asked for', async () => {
    await running.host.run(['mv', '/dev/full', '/dev/kept-full']);
    const guest = jail.place();
    await jail.start(guest);
    const [evidence] = await jail.settled(guest);
    expect(evidence && faults(evidence)).toEqual({});
    expect(await inside(evidence)).not.toContain('full');
    await jail.stop(guest);
    await running.host.run(['mv', '/dev/kept-full', '/dev/full']);
    const asking = jail.place({ plan: { devices: ['no-such-device'] } });
    await jail.startDoomed(asking);
    await jail.until(
      () => jail.unitProperty(asking, 'ActiveState'),
      (state) => state === 'failed',
    );
    expect(await running.host.run(['cat', guestPlaces(asking.name).launchError])).toBe(
      'device-nodes: /dev/no-such-device is no device, or not there\n',
    );
  });
});

describe('evidence tells what is not there', () => {
  it('shows every layer of an unrestricted QEMU as ineffective', async () => {
    const guest = jail.place({
      breakLauncher: () => `${plain}exec ${qemuBinary} -nodefaults -display none -machine q35,accel=tcg -S\n`,
    });
    await jail.start(guest);
    const [evidence] = await jail.until(
      () => jail.evidence(guest),
      ([shown]) => shown?.running === true && stateOf(shown, 'open-files') === 'ineffective',
    );
    const states = Object.fromEntries(evidence?.layers.map((layer) => [layer.layer, layer.state]) ?? []);
    expect(states).toEqual(
      Object.fromEntries(
        layerNames.map((layer) => [
          layer,
          containerStates[layer] === 'effective' ? 'ineffective' : containerStates[layer],
        ]),
      ),
    );
    await jail.stop(guest);
  });

  it('shows a unit without its filter, though QEMU has its own, and QEMU without its own, though the unit has one', async () => {
    const guests = [jail.place(), jail.place({ breakLauncher: without(noSandbox) })] as const;
    const dropIn = `/etc/systemd/system/${guestUnit(guests[0].name)}.d/10-stockade.conf`;
    await running.host.run(['sed', '-i', '/^RestrictAddressFamilies=\\|^SystemCall/d', dropIn]);
    await jail.start(...guests);
    const shown = await jail.until(
      () => jail.evidence(...guests),
      (all) => all.every((each) => stateOf(each, 'user') === 'effective'),
    );
    const observed = shown.map(({ layers }) => layers.find(({ layer }) => layer === 'seccomp')?.observed);
    expect(observed).toEqual([
      expect.stringContaining('the namespace-parent has not the filters of the unit'),
      "a thread of QEMU has no filter but the unit's",
    ]);
    await jail.stop(...guests);
  });

  const noSandbox = `    -sandbox ${sandboxOption} \\\n`;
  const hostDev = (script: string) =>
    without('    step_device_nodes\n')(script)
      .replace(/'stockade-dev (\S+) [^']*'/, "'/dev $1 none rbind 0 0'")
      .replaceAll(/ *'stockade-(pts|shm|mqueue) [^']*' \\\n/g, '');
  /** What else goes with the missing piece. */
  type Along = readonly LayerName[];
  const moreOfTheHost = (script: string) =>
    script.replace(/ *'\/usr .*\n/, (line) => line + line.replaceAll('/usr', '/var'));
  const broken: readonly (readonly [LayerName, (script: string) => string, Along?])[] = [
    ['user', without('    -runas "$uid:$gid" \\\n')],
    ['chroot', (script) => script.replace(/ {4}-chroot \S+ \\\n/, '')],
    [
      'mount-namespace',
      (script) => without('--mount --propagation private ')(withoutView(script)),
      ['private-dev'],
    ],
    ['mount-namespace', withoutView, ['private-dev']],
    ['mount-namespace', without('mount -o remount,ro "$view" && ')],
    ['mount-namespace', moreOfTheHost],
    ['private-dev', hostDev],
    [
      'private-dev',
      (script) => script.replace(/'stockade-pts (\S+) [^']*'/, "'/dev/pts $1 none bind,X-mount.mkdir 0 0'"),
    ],
    ['ipc-namespace', without(' --ipc')],
    ['uts-namespace', without(' --uts')],
    ['net-namespace', without(' --net')],
    ['pid-namespace', without(' --pid')],
    ['cgroup-namespace', without(' --cgroup')],
    ['capabilities', without(' --bounding-set=-all,+setuid,+setgid,+sys_chroot,+dac_read_search')],
    ['no-new-privs', without(' --no-new-privs', noSandbox), ['capabilities', 'seccomp']],
    ['seccomp', without(noSandbox)],
    ['rlimits', without('--fsize=262144 ')],
    ['open-files', (script) => script.replace(/ 2>&1$/m, ' 9</usr 2>&1')],
  ];

  it('shows the one layer that a broken launcher leaves out', async () => {
    const guests = broken.map(([, breakLauncher]) => jail.place({ breakLauncher }));
    await jail.start(...guests);
    const shown = await jail.until(
      () => jail.evidence(...guests),
      (all) =>
        all.every(
          (each, index) =>
            each.running &&
            stateOf(each, broken[index]?.[0] ?? 'user') === 'ineffective' &&
            (broken[index]?.[0] === 'user' || stateOf(each, 'user') === 'effective'),
        ),
      50,
    );
    const states = shown.map((evidence, index) => {
      const layer = broken[index]?.[0] ?? 'user';
      return [layer, evidence.running, stateOf(evidence, layer)];
    });
    expect(states).toEqual(broken.map(([layer]) => [layer, true, 'ineffective']));
    // What else a missing piece takes with it: everything else stands.
    const others = shown.map((evidence, index) =>
      Object.keys(faults(evidence)).filter((layer) => layer !== broken[index]?.[0]),
    );
    others.forEach((layers, index) => {
      const [layer = 'user', , along = []] = broken[index] ?? [];
      if (layer !== 'user' && layer !== 'no-new-privs') expect([layer, layers]).toEqual([layer, along]);
    });
    await jail.stop(...guests);
  });
});
