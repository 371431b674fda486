import { appendFileSync, chmodSync, chownSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { HostSnapshot } from '../../provider/engine/snapshot.ts';
import { guestPlaces } from '../../provider/jail/places.ts';
import type { LayerName, LayerState } from '../../provider/model/evidence.ts';
import { guestUnit, unitDirectory } from '../../provider/model/paths.ts';
import { sh, type ShellText, word, words } from '../../provider/model/shell.ts';
import { containerStates } from '../container-host.ts';
import { useLab } from '../lab/vitest.ts';
import { Core, faultsOf, pending, placeKernels } from './core.fixture.ts';

const lab = useLab({ hosts: 1, name: 'isolation-drift' });

/** One guest and its processes, as the host numbers them. */
interface Target {
  readonly name: string;
  readonly uid: number;
  readonly qemu: number;
  readonly parent: number;
  readonly loggers: readonly number[];
  /** The unit's control group, as a directory. */
  readonly cgroup: string;
}

interface Drift {
  readonly what: string;
  readonly done: (target: Target) => Promise<unknown>;
  /** Action and reasons in the next plan; empty: none. */
  readonly plan: string;
  /** Layers whose state is another one than that of a guest in order; `undefined`: no device model is found at all. */
  readonly layers: Readonly<Partial<Record<LayerName, LayerState>>> | undefined;
}

const host = (...command: readonly [string, ...string[]]) => lab.host.run(command);
const restart = 'restart integrity.isolation';
const inItsMounts = ({ parent }: Target, ...command: readonly string[]) =>
  host('nsenter', '--target', String(parent), '--mount', '--', ...command);
/** As the process's own user, and never higher: the machine that the test host runs on may be without the privilege for more. */
const setLimit = (pid: number, limit: string) =>
  lab.host.run(sh`while read -r key id _; do
  case $key in Uid:) uid=$id ;; Gid:) gid=$id ;; esac
done </proc/${pid}/status
setpriv --reuid="$uid" --regid="$gid" --clear-groups prlimit --pid=${pid} ${word(limit)}`);
const dev = ({ parent }: Target) => `/proc/${parent}/root/dev`;
const otherQemuNamed = (name: string) =>
  sh`/usr/bin/qemu-system-x86_64 -nodefaults -display none -machine q35,accel=tcg -S -name ${word(`guest=${name}`)}`;

const drifts: readonly Drift[] = [
  {
    what: 'nothing at all',
    done: () => Promise.resolve(),
    plan: '',
    layers: {},
  },
  {
    what: 'a limit of the device model changed',
    done: ({ qemu }) => setLimit(qemu, '--nofile=1024:1024'),
    plan: restart,
    layers: { rlimits: 'ineffective' },
  },
  {
    what: 'the soft limit alone',
    done: ({ qemu }) => setLimit(qemu, '--fsize=131072:'),
    plan: restart,
    layers: { rlimits: 'ineffective' },
  },
  {
    what: 'a limit of a logger changed',
    done: ({ loggers }) => setLimit(loggers[0] ?? 0, '--nofile=8:8'),
    plan: restart,
    layers: { rlimits: 'ineffective' },
  },
  {
    what: 'the chroot opened',
    done: ({ name }) => Promise.resolve(chmodSync(lab.host.pathFromHere(guestPlaces(name).chroot), 0o755)),
    plan: 'update integrity.isolation, integrity.chroot',
    layers: { chroot: 'ineffective' },
  },
  {
    what: 'the chroot given to the guest',
    done: ({ name, uid }) =>
      Promise.resolve(chownSync(lab.host.pathFromHere(guestPlaces(name).chroot), uid, uid)),
    plan: 'update integrity.isolation, integrity.chroot',
    layers: { chroot: 'ineffective' },
  },
  {
    what: 'something put into the chroot',
    done: ({ name }) => host('mknod', `${guestPlaces(name).chroot}/disk`, 'b', '8', '0'),
    plan: 'restart integrity.isolation, integrity.chroot',
    layers: { chroot: 'ineffective' },
  },
  {
    what: 'another process of its user',
    done: ({ uid }) =>
      lab.host.run(
        sh`setsid setpriv --reuid=${uid} --regid=${uid} --clear-groups sleep 600 </dev/null >/dev/null 2>&1 &
sleep 0.3`,
      ),
    plan: restart,
    layers: { user: 'ineffective' },
  },
  {
    what: 'a device node added to its /dev',
    done: (target) => host('mknod', `${dev(target)}/sda`, 'b', '8', '0'),
    plan: restart,
    layers: { 'private-dev': 'ineffective' },
  },
  {
    what: 'a device node of its /dev exchanged',
    done: (target) =>
      lab.host.run(sh`rm ${word(`${dev(target)}/zero`)}; mknod ${word(`${dev(target)}/zero`)} c 1 1`),
    plan: restart,
    layers: { 'private-dev': 'ineffective' },
  },
  {
    what: 'its /dev enlarged',
    done: (target) => inItsMounts(target, 'mount', '-o', 'remount,size=1g', '/dev'),
    plan: restart,
    layers: { 'private-dev': 'ineffective' },
  },
  {
    what: 'a file system laid over its /dev',
    done: (target) => inItsMounts(target, 'mount', '-t', 'tmpfs', 'none', '/dev'),
    plan: restart,
    layers: { 'private-dev': 'ineffective' },
  },
  {
    what: 'its mounts made to propagate',
    done: (target) => inItsMounts(target, 'mount', '--make-shared', '/'),
    plan: restart,
    layers: { 'mount-namespace': 'ineffective' },
  },
  {
    what: 'the launcher edited',
    done: ({ name }) =>
      Promise.resolve(appendFileSync(lab.host.pathFromHere(guestPlaces(name).launcher), '# more\n')),
    plan: 'restart integrity.launcher',
    layers: {},
  },
  {
    what: 'the drop-in edited',
    done: ({ name }) =>
      Promise.resolve(
        appendFileSync(
          lab.host.pathFromHere(`${unitDirectory}/${guestUnit(name)}.d/10-stockade.conf`),
          'LimitNOFILE=infinity\n',
        ),
      ),
    plan: 'restart integrity.unit',
    layers: {},
  },
  {
    what: 'a drop-in added',
    done: ({ name }) =>
      Promise.resolve(
        writeFileSync(
          lab.host.pathFromHere(`${unitDirectory}/${guestUnit(name)}.d/20-more.conf`),
          '[Service]\nMemoryMax=infinity\n',
        ),
      ).then(() => host('systemctl', 'daemon-reload')),
    plan: 'restart integrity.unit',
    layers: {},
  },
  {
    what: 'a property of the unit set until the next boot',
    done: ({ name }) => host('systemctl', 'set-property', '--runtime', guestUnit(name), 'TasksMax=infinity'),
    plan: 'restart integrity.unit',
    layers: {},
  },
  {
    what: 'a second process in the unit',
    done: ({ cgroup }) => lab.host.run(intoCgroup(cgroup, sh`sleep 600`)),
    plan: restart,
    layers: { user: 'ineffective', capabilities: 'ineffective' },
  },
  {
    what: 'an unrestricted QEMU of its name beside it in the unit, itself killed',
    done: ({ cgroup, name, qemu, parent }) =>
      lab.host.run(sh`kill -STOP ${parent}
${intoCgroup(cgroup, otherQemuNamed(name))}
kill -KILL ${qemu}`),
    plan: restart,
    layers: {
      user: 'ineffective',
      chroot: 'ineffective',
      capabilities: 'ineffective',
      seccomp: 'ineffective',
      'net-namespace': 'ineffective',
    },
  },
  {
    what: 'an unrestricted QEMU of its name outside of the unit, itself killed',
    done: ({ name, qemu }) =>
      lab.host.run(sh`setsid ${otherQemuNamed(name)} </dev/null >/dev/null 2>&1 &
kill -KILL ${qemu}
while [ -d /proc/${qemu} ]; do sleep 0.05; done`),
    plan: 'restart integrity.process, integrity.isolation',
    layers: undefined,
  },
  {
    what: 'the logger of its serial console killed, what that had started goes on',
    done: (target) => endLogger(target, 'serial', false),
    plan: 'restart integrity.process',
    layers: {},
  },
  {
    what: 'the logger of its last words killed, with what that had started',
    done: (target) => endLogger(target, 'stderr', true),
    plan: 'restart integrity.process',
    layers: {},
  },
  {
    what: 'what a logger has started killed',
    done: ({ loggers, parent }) =>
      lab.host.run(sh`for pid in ${words(loggers.map(String))}; do
  [ "$(ps -o ppid= "$pid")" -eq ${parent} ] || kill -KILL "$pid"
done
sleep 2`),
    plan: '',
    layers: {},
  },
  {
    what: 'a process of the host that looks around in its namespaces',
    done: ({ parent }) =>
      lab.host.run(sh`nsenter --target ${parent} --net --ipc --uts --mount sleep 600 </dev/null >/dev/null 2>&1 &
sleep 0.3`),
    plan: '',
    layers: {},
  },
];

/** A child of the unit's main process that reads this pipe, and with `all` what it has started. */
function endLogger({ name, parent }: Target, log: string, all: boolean) {
  const pipe = word(`${guestPlaces(name).runDirectory}/${log}`);
  return lab.host.run(sh`for pid in $(ps -o pid= --ppid ${parent}); do
  [ "$(readlink /proc/$pid/fd/0)" = ${pipe} ] || continue
  ${all ? sh`kill -KILL $(ps -o pid= --ppid $pid) $pid` : sh`kill -KILL $pid`}
  while [ -e "/proc/$pid/exe" ]; do sleep 0.05; done
done`);
}

/** Starts a command in a control group, apart from the shell that starts it; returns when it is in. */
function intoCgroup(cgroup: string, command: ShellText): ShellText {
  const enter = sh`echo $$ >${word(`${cgroup}/cgroup.procs`)}
exec ${command}`;
  return sh`setsid sh -c ${word(enter.text)} </dev/null >/dev/null 2>&1 &
for try in $(seq 100); do
  ! grep -qsx "$!" ${word(`${cgroup}/cgroup.procs`)} || break
  sleep 0.05
done
sleep 0.5`;
}

const guests = drifts.map((drift, index) => ({ drift, name: `g${index}` }));
let core: Core;
let seen: HostSnapshot;
const wish = () => core.wish(guests.map(({ name }) => core.guest(name)));

async function targetOf(name: string, snapshot: HostSnapshot): Promise<Target> {
  const processes = snapshot.evidence.get(name)?.processes ?? [];
  const pids = (role: string) => processes.filter((each) => each.role === role).map(({ pid }) => pid);
  const group = await core.unitProperty(name, 'ControlGroup');
  const mounts = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified', '/sys/fs/cgroup/systemd'];
  const found = await lab.host.run(
    sh`for mount in ${word(mounts[0] ?? '')} ${word(mounts[1] ?? '')} ${word(mounts[2] ?? '')}; do
  if [ -e "$mount"${word(group)}/cgroup.procs ]; then echo "$mount"; break; fi
done`,
  );
  return {
    name,
    uid: snapshot.guests.get(name)?.lease?.uid ?? 0,
    qemu: pids('device-model')[0] ?? 0,
    parent: pids('namespace-parent')[0] ?? 0,
    loggers: pids('logger'),
    cgroup: `${found.trim()}${group}`,
  };
}

beforeAll(async () => {
  placeKernels(lab.host);
  core = new Core(lab.host);
  const { snapshot } = await core.converge(wish());
  for (const { drift, name } of guests) await drift.done(await targetOf(name, snapshot));
  // systemd needs a moment to end the unit of a killed device model
  seen = await core.until((now) =>
    guests.every(
      ({ drift, name }) => drift.layers !== undefined || now.evidence.get(name)?.running === false,
    ),
  );
});
afterAll(() => core.link.close());

describe('drift of isolation shows in evidence and plan', () => {
  it.each(guests.map((guest) => [guest.drift.what, guest] as const))('%s', (_, { drift, name }) => {
    const line = pending(wish(), seen).find((each) => each.startsWith(`${name} `)) ?? '';
    expect(line).toBe(drift.plan === '' ? '' : `${name} ${drift.plan}`);
    const evidence = seen.evidence.get(name);
    expect(evidence?.running).toBe(drift.layers !== undefined);
    if (drift.layers === undefined) return;
    const states = Object.fromEntries(evidence?.layers.map(({ layer, state }) => [layer, state]) ?? []);
    expect(states).toMatchObject(drift.layers);
    const spoiled = Object.entries(containerStates).filter(([layer, state]) => states[layer] !== state);
    if (Object.keys(drift.layers).length < 2) {
      expect(spoiled.map(([layer]) => layer)).toEqual(Object.keys(drift.layers));
    }
  });
});

describe('the next Apply', () => {
  it('heals all of it, and touches nobody else', async () => {
    const quiet = guests.filter(({ drift }) => drift.plan === '').map(({ name }) => name);
    const { results } = await core.converge(wish());
    expect(results.filter(({ id }) => quiet.some((name) => id.startsWith(`guest ${name} `)))).toEqual([]);
    expect(faultsOf(await core.see(), wish())).toEqual({});
  });
});
