import { describe, expect, it } from 'vitest';
import { parseEvidence, proveIsolation } from '../../../provider/jail/evidence.ts';
import { isolationExpectation } from '../../../provider/jail/expectation.ts';
import type { IsolationExpectation } from '../../../provider/jail/launch-plan.ts';
import { samplePlan } from '../../samples.ts';

const group = '/system.slice/system-stockade\\x2dguest.slice/stockade-guest@web1.service';
const identities = { qemuDevice: 1, qemuInode: 2, loggerUid: 999, loggerGid: 997, unprovable: {} };
const lease = { uid: 300001, gid: 300001, shared: false };
const expectation = isolationExpectation(samplePlan(), lease, identities);

interface Shown {
  readonly pids?: string;
  readonly main?: string;
  readonly strays?: string;
  readonly strangers?: string;
  readonly cgroups?: Readonly<Record<number, string>>;
  readonly files?: Readonly<Record<string, string>>;
  readonly devices?: readonly string[];
  readonly executables?: Readonly<Record<number, string>>;
  readonly targets?: Readonly<Record<number, string>>;
  readonly parents?: Readonly<Record<number, number>>;
  readonly uids?: Readonly<Record<number, number>>;
  readonly stats?: readonly string[];
  readonly self?: string;
}

const limits = {
  'memory.max': '335544320\n',
  'memory.swap.max': '0\n',
  'cpu.max': '150000 100000\n',
  'pids.max': '97\n',
};
const refused = 'sh: 5: cannot open /dev/tty: Operation not permitted';
const absent = 'sh: 5: cannot open /dev/tty: No such device or address';
const trial = (...inside: readonly string[]) => [
  'outside',
  'try /dev/tty',
  absent,
  'left',
  'guest web1',
  ...inside,
  'left',
  'over',
];
const honest = trial('entered', 'try /dev/tty', refused);
/** `unshare` (10), its child QEMU (11). */
const executables = { 10: '30', 11: '2' };

function fileFields(path: string, inode: string): readonly string[] {
  return [path, '1', inode, '81ed', '0', '0', '0', '0'];
}

function observe(shown: Shown, expected: IsolationExpectation = expectation) {
  const programs = { ...executables, ...shown.executables };
  const pids = Object.keys(programs).map(Number);
  const cgroups: Readonly<Record<number, string>> = { 10: group, 11: group, ...shown.cgroups };
  const files = { ...limits, ...shown.files };
  const lines = pids.map((pid) => `/proc/${pid}/cgroup\0${`0::${cgroups[pid] ?? group}`}\n`).join('');
  const parent = (pid: number) => shown.parents?.[pid] ?? (pid === 10 ? 1 : 10);
  const fields = [
    ...['time', '2026-01-02T03:04:05Z', 'units'],
    `Id=stockade-guest@web1.service\nActiveState=active\nMainPID=10\nControlGroup=${group}`,
    ...['guest', 'web1', '300001', shown.main ?? '10', shown.pids ?? ' 10 11', ''],
    ...['strangers', shown.strangers ?? '', 'strays', shown.strays ?? '', ''],
    'threads',
    pids
      .map((pid) => `State:\tS\nTgid:\t${pid}\nPid:\t${pid}\n${uidLine(shown.uids?.[pid] ?? 300001)}`)
      .join(''),
    'lines',
    ...lines.split('\0'),
    ...['files', '/proc/sys/kernel/random/boot_id', 'aabb\n'],
    ...Object.entries(files).flatMap(([name, text]) => [
      name.startsWith('/') ? name : `/sys/fs/cgroup${group}/${name}`,
      text,
    ]),
    ...pids.flatMap((pid) => [`/proc/${pid}/stat`, `${pid} (q) S ${parent(pid)} ${'0 '.repeat(17)}7 0`]),
    ...['links', '/proc/1/ns/cgroup', 'f', 'cgroup:[1]'],
    ...['/proc/self/ns/cgroup', 'f', shown.self ?? 'cgroup:[1]'],
    ...Object.entries(shown.targets ?? {}).flatMap(([pid, target]) => [`/proc/${pid}/exe`, 'f', target]),
    'stats',
    ...Object.entries(programs).flatMap(([pid, inode]) => fileFields(`/proc/${pid}/exe`, inode)),
    ...fileFields('/bin/sh', '40'),
    ...fileFields('/usr/bin/unshare', '30'),
    ...(shown.stats ?? []),
    ...['devices', (shown.devices ?? honest).join('\n'), 'end', ''],
  ];
  const parsed = parseEvidence(Buffer.from(fields.join('\0')), [expected], 'hv1');
  const [observation] = parsed.ok ? parsed.value : [];
  if (observation === undefined) throw new Error('no observation');
  return observation;
}

function uidLine(uid: number): string {
  return `Uid:\t${uid}\t${uid}\t${uid}\t${uid}\n`;
}

function shownLimits(shown: Shown, expected: IsolationExpectation = expectation) {
  const { layers } = proveIsolation(observe(shown, expected), expected);
  return layers.find(({ layer }) => layer === 'cgroup-limits');
}

describe('limits of the cgroup', () => {
  it('are effective where the kernel has them, for every process', () => {
    const layer = shownLimits({});
    expect(layer).toMatchObject({ state: 'effective', observed: 'as requested' });
    expect(layer?.raw).toEqual([
      `10 namespace-parent cgroup ${group}`,
      `11 device-model cgroup ${group}`,
      'memory.max 335544320',
      'memory.swap.max 0',
      'cpu.max 150000 100000',
      'pids.max 97',
      'io.max ?',
      'open /dev/tty: refused; outside the cgroup: failed otherwise',
    ]);
  });

  it.each([
    ['memory.max', 'max\n', 'memory.max is max, not 335544320'],
    ['memory.swap.max', 'max\n', 'memory.swap.max is max, not 0'],
    ['pids.max', '98\n', 'pids.max is 98, not 97'],
    ['cpu.max', 'max 100000\n', 'cpu.max is max 100000, not 150 %'],
    ['cpu.max', '150000 10000\n', 'cpu.max is 150000 10000, not 150 %'],
  ])('are ineffective with %s %j', (name, text, observed) => {
    expect(shownLimits({ files: { [name]: text } })).toMatchObject({ state: 'ineffective', observed });
  });

  it('have another period and are the same', () => {
    expect(shownLimits({ files: { 'cpu.max': '15000 10000\n' } })?.state).toBe('effective');
  });

  it('are unproven where the kernel shows none, with the host’s reason where there is one', () => {
    const bare = observe({});
    const files = Object.fromEntries(Object.keys(bare.cgroup.files).map((name) => [name, undefined]));
    const observation = { ...bare, cgroup: { ...bare.cgroup, files: files as typeof bare.cgroup.files } };
    const reason = { ...expectation, unprovable: { 'cgroup-limits': 'no controllers' } };
    expect(proveIsolation(observation, reason).layers.find((each) => each.layer === 'cgroup-limits')).toEqual(
      expect.objectContaining({
        state: 'unproven',
        observed: 'the cgroup has no memory.max, memory.swap.max, pids.max, cpu.max',
        unprovable: 'no controllers',
      }),
    );
  });

  it('are unproven for one who does not see cgroups as the host does', () => {
    expect(shownLimits({ self: 'cgroup:[7]' })).toMatchObject({
      state: 'unproven',
      observed: 'cgroups are not seen as the host sees them',
    });
  });
});

describe('a process outside its unit', () => {
  it('shows, though the unit’s cgroup no longer lists it', () => {
    expect(shownLimits({ cgroups: { 11: '/user.slice' } })).toMatchObject({
      state: 'ineffective',
      observed: 'the device-model runs outside its unit, in the cgroup "/user.slice"',
    });
    expect(shownLimits({ cgroups: { 10: '/' } })?.observed).toContain('the namespace-parent runs outside');
  });

  it('shows when its parent is gone: by its user and executable', () => {
    const strangers = `/proc/11/status:${uidLine(300001)}`;
    const orphan = { pids: '', main: '0', strays: ' 11', strangers, cgroups: { 11: '/other' } };
    const observation = observe(orphan);
    expect(observation).toMatchObject({ running: true, processes: [{ pid: 11, role: 'device-model' }] });
    expect(shownLimits(orphan)).toMatchObject({ state: 'ineffective' });
    // Another program of that user is a stranger, not the device model.
    expect(observe({ ...orphan, executables: { 11: '9' } })).toMatchObject({
      running: false,
      strangers: [11],
    });
  });

  it('that only came by is none of the guest’s', () => {
    const passing = {
      pids: ' 10 11 12',
      executables: { 12: '40' },
      uids: { 12: 0 },
      cgroups: { 12: '/ssh' },
    };
    const pidsOf = (parents: Readonly<Record<number, number>>) =>
      observe({ ...passing, parents }).processes.map(({ pid }) => pid);
    expect(pidsOf({ 12: 7 })).toEqual([10, 11]);
    // One that the unit's main process started was moved.
    expect(pidsOf({ 12: 10 })).toEqual([10, 11, 12]);
  });
});

describe('the device rule', () => {
  it.each([
    [
      'lets a device through',
      trial('entered', 'try /dev/tty', 'opened'),
      'ineffective',
      'lets /dev/tty through',
    ],
    [
      'fails in another way',
      trial('entered', 'try /dev/tty', absent),
      'ineffective',
      'lets /dev/tty through',
    ],
    [
      'is not tried in a frozen cgroup',
      trial('frozen'),
      'unproven',
      'no device could be tried in the cgroup',
    ],
    [
      'is not tried where the cgroup is gone',
      trial('sh: 9: cannot create /sys/fs/cgroup/x: Directory nonexistent'),
      'unproven',
      'no device could be tried in the cgroup',
    ],
    [
      'took the trial along when the guest ended',
      ['outside', 'try /dev/tty', absent, 'left', 'guest web1', 'entered', 'try /dev/tty', refused],
      'unproven',
      'no device could be tried in the cgroup',
    ],
    [
      'refuses what is refused everywhere',
      ['outside', 'try /dev/tty', refused, 'left', 'guest web1', 'entered', 'try /dev/tty', refused, 'left'],
      'unproven',
      'no device could be tried that others may open',
    ],
    ['said nothing', [], 'unproven', 'no device could be tried in the cgroup'],
  ] as const)('%s', (_, devices, state, observed) => {
    const layer = shownLimits({ devices });
    expect(layer?.state).toBe(state);
    expect(layer?.observed).toContain(observed);
  });

  it('may let through what the guest was given', () => {
    const given = { ...expectation, deviceNodes: [...expectation.deviceNodes, 'tty'] };
    const devices = trial('entered', 'try /dev/tty', 'opened');
    expect(shownLimits({ devices }, given)).toMatchObject({ state: 'unproven' });
  });
});

describe('another program in QEMU’s place', () => {
  const roles = (shown: Shown) => observe(shown).processes.map(({ role }) => role);

  it('is judged as the device model when it is the unit’s main process', () => {
    expect(roles({ pids: ' 10', executables: { 10: '77', 11: '77' } })).toEqual(['device-model']);
  });
  it('is judged as the device model when it is a child of the namespaces’ parent', () => {
    expect(roles({ executables: { 11: '77' } })).toEqual(['namespace-parent', 'device-model']);
  });
  it('is not looked for while the launcher runs, nor in a logger that drains', () => {
    expect(roles({ executables: { 10: '40', 11: '77' }, uids: { 10: 0, 11: 0 } })).toEqual([
      'namespace-parent',
      'logger',
    ]);
    expect(roles({ executables: { 11: '41' }, uids: { 11: 999 } })).toEqual(['namespace-parent', 'logger']);
  });
  it('is unproven where it is confined, and said to be an upgrade where the file was replaced', () => {
    const observed = (target: string) => {
      const shown = { executables: { 11: '77' }, targets: { 11: target } };
      return shownLimits(shown);
    };
    expect(observed('/usr/bin/qemu-system-x86_64 (deleted)')).toMatchObject({
      state: 'unproven',
      observed: expect.stringContaining('restart the guest to use it') as string,
    });
    expect(observed('/opt/qemu-system-x86_64')?.observed).toContain("is not the host's QEMU binary");
  });
});

describe('bandwidth', () => {
  const wanted: IsolationExpectation = {
    ...expectation,
    images: 1,
    limits: { ...expectation.limits, ioReadMibPerSecond: 20, ioWriteMibPerSecond: 5 },
  };
  /** An image on a partition, 254:1, st_dev 0xfe01. */
  const shown = (ioMax: string | undefined, parts: Readonly<Record<string, string>>) => {
    const bare = observe({}, wanted);
    const file = { device: 0xfe01, inode: 5, mode: 0o100600, uid: 0, gid: 0, deviceMajor: 0, deviceMinor: 0 };
    const observation = {
      ...bare,
      images: [{ device: 0xfe01, inode: 5 }],
      processes: bare.processes.map((process) => ({
        ...process,
        openFiles: [{ descriptor: 5, target: 'x', type: 'f', file }],
      })),
      cgroup: {
        ...bare.cgroup,
        files: { ...bare.cgroup.files, 'io.max': ioMax },
        diskParts: Object.fromEntries(Object.entries(parts).map(([disk, part]) => [disk, [part]])),
      },
    };
    return proveIsolation(observation, wanted).layers.find(({ layer }) => layer === 'cgroup-limits');
  };
  const right = '254:0 rbps=20971520 wbps=5242880 riops=max wiops=max';

  it('is set on the disk that the images lie on', () => {
    expect(shown(right, { '254:0': '254:1' })?.state).toBe('effective');
    expect(shown(right.replace('254:0', '254:1'), {})?.state).toBe('effective');
  });
  it.each([
    ['on another disk', right, { '254:0': '254:2' }],
    ['with another value', right.replace('5242880', 'max'), { '254:0': '254:1' }],
  ])('is ineffective %s', (_, text, parts) => {
    expect(shown(text, parts)).toMatchObject({
      state: 'ineffective',
      observed: expect.stringContaining('io.max has ') as string,
    });
  });
  it('is unproven without the file', () => {
    expect(shown(undefined, {})).toMatchObject({ state: 'unproven', observed: 'the cgroup has no io.max' });
  });
});
