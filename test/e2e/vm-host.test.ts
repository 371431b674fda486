import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { HostSnapshot } from '../../provider/engine/snapshot.ts';
import { runProbes } from '../../provider/executor/probes.ts';
import type { LayerEvidence } from '../../provider/model/evidence.ts';
import { guestUnit, unitDirectory } from '../../provider/model/paths.ts';
import { sh, type ShellText, word, words } from '../../provider/model/shell.ts';
import type { GuestDesired } from '../../provider/resources/guest/desired.ts';
import { machineStates } from '../container-host.ts';
import { standstillKernel } from '../lab/guest/standstill.ts';
import { useVmHost } from '../lab/vitest.ts';
import { Core, faultsOf, pending, stillKernel } from './core.fixture.ts';
import { value } from './preparation.fixture.ts';

const running = useVmHost();
const mib = 1024 * 1024;
/** What a guest of one processor may have. */
const taskLimit = 97;

/** A guest whose bandwidth is limited too. */
const limited: Partial<GuestDesired> = {
  disks: [
    { name: 'root', path: '/srv/disks/root.img', format: 'raw', readonly: true, backing: [], sizeMib: 1 },
  ],
  limits: { ioReadMibPerSecond: 20, ioWriteMibPerSecond: 5 },
};

const limitsOf = (snapshot: HostSnapshot, guest: string): LayerEvidence => {
  const found = snapshot.evidence.get(guest)?.layers.find(({ layer }) => layer === 'cgroup-limits');
  if (found === undefined) throw new Error(`nothing was seen of ${guest}`);
  return found;
};

/** A guest's own directory among the control groups. */
const groupOf = (guest: string): ShellText =>
  word(`/sys/fs/cgroup/system.slice/system-stockade\\x2dguest.slice/${guestUnit(guest)}`);

/** Of files that have a `NAME NUMBER` a line. */
const numbersOf = (text: string): Readonly<Record<string, number>> =>
  Object.fromEntries(
    text
      .trim()
      .split('\n')
      .map((line) => line.split(' '))
      .map(([name = '', number]) => [name, Number(number)]),
  );

describe('a guest on a host with a kernel of its own', () => {
  /** Each takes one limit out of the drop-in of its guest. */
  const broken: readonly (readonly [guest: string, setting: string, observed: string])[] = [
    ['memory', 'MemoryMax', `memory.max is max, not ${240 * mib}`],
    ['cpu', 'CPUQuota', 'cpu.max is max 100000, not 150 %'],
    ['pids', 'TasksMax', 'pids.max is '],
    ['writes', 'IOWriteBandwidthMax', `io.max has wbps max for 254:0, not ${5 * mib}`],
    [
      'devices',
      'Device[PA]',
      'the device rule lets /dev/kmsg through; the device rule lets /dev/mem through',
    ],
  ];
  let core: Core;
  const wish = () => core.wish(broken.map(([name]) => core.guest(name, limited)));

  beforeAll(async () => {
    await running.host.write(stillKernel, standstillKernel());
    await running.host.run(sh`mkdir -p /srv/disks && truncate --size 1M /srv/disks/root.img`);
    core = new Core(running.host, 'first', machineStates);
  });
  afterAll(async () => {
    await core.leave(broken.map(([name]) => name));
    await core.link.close();
  });

  it('has every layer effective, its limits by the files of the kernel', async () => {
    const { snapshot } = await core.converge(wish());
    expect(limitsOf(snapshot, 'memory').raw).toEqual(
      expect.arrayContaining([
        `memory.max ${240 * mib}`,
        'memory.swap.max 0',
        'cpu.max 150000 100000',
        `pids.max ${taskLimit}`,
        `io.max 254:0 rbps=${20 * mib} wbps=${5 * mib} riops=max wiops=max`,
        'open /dev/kmsg: refused; outside the cgroup: opened',
        'open /dev/mem: refused; outside the cgroup: opened',
      ]),
    );
    const files = ['memory.max', 'memory.swap.max', 'cpu.max', 'pids.max', 'io.max'];
    const shown = await running.host.run(sh`cd ${groupOf('memory')} && grep -H '' ${words(files)}`);
    for (const line of shown.trim().split('\n')) {
      expect(limitsOf(snapshot, 'memory').raw).toContain(line.replace(':', ' '));
    }
  });

  it('is held by these limits: memory, tasks, processor and devices', async () => {
    const inside = (text: ShellText) =>
      running.host.exec(
        sh`sh -c ${word(
          sh`echo 0 >${groupOf('memory')}/cgroup.procs
${text}`.text,
        )}`,
      );
    const events = async (file: string) =>
      numbersOf(await running.host.run(sh`cat ${groupOf('memory')}/${word(file)}`));
    const device = await inside(sh`head -c 1 /dev/kmsg >/dev/null; mknod /tmp/node c 1 11; ls /tmp/node`);
    expect(device.stderr).toContain("'/dev/kmsg' for reading: Operation not permitted");
    expect(device.stderr).toContain('/tmp/node: Operation not permitted');
    expect(
      (await inside(sh`for each in $(seq ${taskLimit}); do sleep 20 & done; kill $(jobs -p) || :`)).stderr,
    ).toMatch(/fork/i);
    expect((await events('pids.events'))['max']).toBeGreaterThan(0);
    const before = (await events('cpu.stat'))['nr_throttled'] ?? 0;
    await inside(sh`for each in 1 2 3; do timeout 3 sh -c 'while :; do :; done' & done; wait`);
    expect((await events('cpu.stat'))['nr_throttled']).toBeGreaterThan(before);
  });

  it('shows each limit that is taken from its unit, and the next Apply heals it', async () => {
    const edits = broken.map(([name, setting]) => {
      const dropIn = word(`${unitDirectory}/${guestUnit(name)}.d/10-stockade.conf`);
      return sh`sed -i ${word(`/^${setting}/d`)} ${dropIn}`;
    });
    await running.host.run(sh`${edits.reduce((all, edit) => sh`${all} && ${edit}`)} && systemctl daemon-reload
systemctl restart -- ${words(broken.map(([name]) => guestUnit(name)))}`);
    // until each has come up, with this one fault
    const faultsIn = (now: HostSnapshot) => faultsOf(now, wish(), machineStates);
    const seen = await core.until((now) => broken.every(([name]) => faultsIn(now)[name]?.length === 1));
    for (const [name, , observed] of broken) {
      expect([name, limitsOf(seen, name)]).toMatchObject([
        name,
        { state: 'ineffective', observed: expect.stringContaining(observed) as string },
      ]);
      expect(faultsIn(seen)[name]).toHaveLength(1);
    }
    expect(pending(wish(), seen)).toEqual(
      broken.map(([name]) => `${name} restart integrity.isolation, integrity.unit`),
    );
    await core.converge(wish());
  });

  it('has a limit back that was lifted while it runs', async () => {
    await running.host.run(
      sh`echo max >${groupOf('memory')}/memory.max && echo max >${groupOf('pids')}/pids.max`,
    );
    const seen = await core.see();
    expect(limitsOf(seen, 'memory')).toMatchObject({ state: 'ineffective' });
    expect(pending(wish(), seen)).toEqual(
      ['memory', 'pids'].map((name) => `${name} restart integrity.isolation`),
    );
    await core.converge(wish());
  });

  it('stops every probe there is, those of devices too', async () => {
    const { results } = value(await runProbes(core.link, core.target, { fleet: 'first' }));
    const named = (outcome: string) =>
      results.filter((result) => result.outcome === outcome).map(({ name }) => name);
    expect(named('unproven')).toEqual([]);
    expect(results.find(({ name }) => name === 'use-memory')).toMatchObject({
      stoppedBy: 'cgroup-limits',
      observed: 'SIGKILL',
      control: 'success',
    });
    expect(named('got-through').sort()).toEqual(['setpgid', 'setsid']);
    // by the security module's profile, which stands in the way of no other layer
    expect(results.find(({ name }) => name === 'raw-socket')).toMatchObject({
      outcome: 'stopped',
      stoppedBy: 'lsm',
    });
  });
});
