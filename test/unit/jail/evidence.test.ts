import { describe, expect, it } from 'vitest';
import { parseEvidence, proveIsolation } from '../../../provider/jail/evidence.ts';
import { isolationExpectation } from '../../../provider/jail/expectation.ts';
import { parseMountinfo } from '../../../provider/jail/mountinfo.ts';
import { parseLimits, parseStat } from '../../../provider/jail/proc-parse.ts';
import { samplePlan } from '../../samples.ts';
import { stepExitCodes, stepOfExitCode } from '../../../provider/jail/step.ts';

const expectation = isolationExpectation(
  samplePlan({ requests: { ...samplePlan().requests, lsm: 'on' } }),
  { uid: 300001, gid: 300001, shared: false },
  { qemuDevice: 1, qemuInode: 2, loggerUid: 999, loggerGid: 997, unprovable: {} },
);

const start = [
  'time',
  '2026-01-02T03:04:05Z\n',
  'units',
  'Id=stockade-guest@web1.service\nActiveState=active\nMainPID=10',
];
const guest = ['guest', 'web1', '300001', '10', ' 10 11', ''];
const boot = ['/proc/sys/kernel/random/boot_id', 'aabb\n'];
const executable = ['/proc/11/exe', '1', '2', '81ed', '0', '0', '0', '0'];
const stat = ['/proc/11/stat', `11 (q) S 10 ${'0 '.repeat(17)}7 0`];
const stream = (...fields: readonly string[]) => Buffer.from([...fields, ''].join('\0'));

function observe(bytes: Uint8Array) {
  const parsed = parseEvidence(bytes, [expectation], 'hv1');
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.diagnostics));
  const [observation] = parsed.value;
  if (observation === undefined) throw new Error('no observation');
  return observation;
}

describe('the evidence section', () => {
  it('that is none is a diagnostic, with the host', () => {
    expect(parseEvidence(Buffer.from('sh: not found\n'), [expectation], 'hv1')).toMatchObject({
      ok: false,
      diagnostics: [{ code: 'evidence-unreadable', host: 'hv1' }],
    });
  });

  it('of a guest whose processes went away shows one that does not run', () => {
    const observation = observe(
      stream(...start, ...guest, 'strangers', '', 'files', ...boot, 'links', 'stats', 'end'),
    );
    expect(observation).toMatchObject({
      running: false,
      unit: { activeState: 'active', mainPid: 10 },
      processes: [],
    });
    const states = proveIsolation(observation, expectation).layers.map((layer) => layer.state);
    expect(new Set(states)).toEqual(new Set(['unproven']));
  });

  it('does not take a name for a record', () => {
    const evil = 'x\n/proc/11/exe\nend\nstats';
    const observation = observe(
      stream(
        ...[...start, ...guest, 'strangers', '', 'files', ...boot],
        ...['/proc/11/stat', `11 (a) R 1 1 1\n) 9 9) S 10 ${'0 '.repeat(17)}77 0\n`],
        ...['links', '/proc/11/fd', 'd', '', '/proc/11/fd/3', 'f', `/memfd:${evil} (deleted)`],
        ...[expectation.chroot, 'd', '', `${expectation.chroot}/${evil.replaceAll('/', '_')}`, 'f', ''],
        ...['stats', ...executable, 'end'],
      ),
    );
    expect(observation.processes).toHaveLength(1);
    expect(observation.processes[0]).toMatchObject({
      role: 'device-model',
      parentPid: 10,
      startTimeTicks: 77,
    });
    expect(observation.processes[0]?.openFiles).toEqual([
      { descriptor: 3, type: 'f', target: `/memfd:${evil} (deleted)`, mountIds: [] },
    ]);
    expect(observation.chrootEntries).toEqual([evil.replaceAll('/', '_')]);
  });

  it('that was cut short proves nothing it did not reach', () => {
    const observation = observe(
      stream(...start, ...guest, 'strangers', '', 'files', ...stat, 'links', 'stats', ...executable),
    );
    const evidence = proveIsolation(observation, expectation);
    expect(evidence.running).toBe(true);
    expect(evidence.layers.filter((layer) => layer.state === 'effective')).toEqual([]);
  });

  it('that could not read /proc is no evidence of a guest that does not run', () => {
    const bytes = stream(...start, ...guest, 'strangers', '', 'files', 'links', 'stats', 'end');
    expect(parseEvidence(bytes, [expectation], 'hv1')).toMatchObject({
      ok: false,
      diagnostics: [{ code: 'evidence-unreadable', host: 'hv1' }],
    });
  });

  it('that looked for another uid than the lease we know says nothing of strangers', () => {
    const rest = ['files', ...boot, 'links', 'stats', 'end'];
    const other = observe(
      stream(...start, 'guest', 'web1', '300002', '10', '', '', 'strangers', '', ...rest),
    );
    expect(other.strangers).toBeUndefined();
    const line = (pid: number) => `/proc/${pid}/status:Uid:\t300001\t300001\t300001\t300001\n`;
    const own = observe(stream(...start, ...guest, 'strangers', `${line(11)}${line(12)}`, ...rest));
    expect(own.strangers).toEqual([12]);
  });

  it('believes no file that comes twice', () => {
    const observation = observe(
      stream(
        ...[...start, ...guest, 'strangers', '', 'files', ...boot, ...stat, ...stat],
        ...['links', 'stats', ...executable, 'end'],
      ),
    );
    expect(observation.processes).toEqual([]);
  });
});

const thread = (tid: number, state: string) =>
  `State:\t${state}\nTgid:\t11\nPid:\t${tid}\nUid:\t300001\t300001\t300001\t300001\n`;

describe('a process without an executable', () => {
  const shown = (threads: string, ...stats: readonly string[]) =>
    observe(
      stream(
        ...[...start, ...guest, 'strangers', '', 'threads', threads, 'lines', ''],
        ...['files', ...boot, ...stat, 'links', 'stats', ...stats, 'end'],
      ),
    );
  const there = ['/proc/11', '9', '9', '416d', '0', '0', '0', '0'];

  it('runs while one of its threads lives, and proves nothing', () => {
    const observation = shown(thread(11, 'Z (zombie)') + thread(12, 'S (sleeping)'), ...there);
    expect(observation).toMatchObject({
      running: true,
      processes: [{ role: 'device-model', pid: 11, executableDevice: -1, executableInode: -1 }],
    });
    const states = proveIsolation(observation, expectation).layers.map((layer) => layer.state);
    expect(states.filter((state) => state === 'effective')).toEqual([]);
    expect(new Set(states)).toEqual(new Set(['unproven']));
  });

  it.each([
    ['all its threads have ended', thread(11, 'Z (zombie)') + thread(12, 'X (dead)'), there],
    ['none of its threads could be read', '', there],
    ['it has gone away since', thread(11, 'S (sleeping)'), []],
  ])('is none when %s', (_, threads, stats) => {
    expect(shown(threads, ...stats)).toMatchObject({ running: false, processes: [] });
  });
});

describe('the label of a security module', () => {
  const loaded = [
    '/sys/kernel/security/apparmor/profiles',
    'man (enforce)\nstockade-guest-logger (enforce)\nstockade-guest (enforce)\n',
  ];
  const label = (tid: number, text: string) => [`/proc/11/task/${tid}/attr/apparmor/current`, `${text}\n`];
  const lsm = (...files: readonly (readonly string[])[]) =>
    proveIsolation(
      observe(
        stream(
          ...[...start, ...guest, 'strangers', '', 'threads', thread(11, 'S (sleeping)'), 'lines', ''],
          ...['files', ...boot, ...stat, ...files.flat(), 'links', 'stats', ...executable, 'end'],
        ),
      ),
      expectation,
    ).layers.find((each) => each.layer === 'lsm');
  const good = label(11, 'stockade-guest (enforce)');

  it('is proven by the kernel on every thread', () => {
    expect(lsm(loaded, good, label(12, 'stockade-guest (enforce)'))).toMatchObject({
      state: 'effective',
      raw: ['11 device-model stockade-guest (enforce)', expect.any(String), expect.any(String)],
    });
  });

  it.each([
    ['another label', [loaded, label(11, 'unconfined')], 'ineffective', 'the device-model is "unconfined"'],
    [
      'complain mode',
      [loaded, label(11, 'stockade-guest (complain)')],
      'ineffective',
      'the device-model is "stockade-guest (complain)"',
    ],
    [
      'a stack of profiles',
      [loaded, label(11, 'stockade-guest//&x (enforce)')],
      'ineffective',
      'the device-model is "stockade-guest//&x (enforce)"',
    ],
    [
      "a logger's",
      [loaded, label(11, 'stockade-guest-logger (enforce)')],
      'ineffective',
      'the device-model is "stockade-guest-logger (enforce)"',
    ],
    [
      'one thread beside it',
      [loaded, good, label(12, 'unconfined')],
      'ineffective',
      'the device-model is "unconfined"',
    ],
    ['no label', [loaded], 'unproven', 'the label of the device-model could not be read'],
    ['no list of profiles', [good], 'unproven', "the kernel's list of profiles could not be read"],
    [
      'a profile that is not loaded',
      [[loaded[0] ?? '', 'stockade-guest (enforce)\n'], good],
      'ineffective',
      'the kernel has no profile stockade-guest-logger',
    ],
    [
      'a profile that complains',
      [[loaded[0] ?? '', 'stockade-guest (complain)\nstockade-guest-logger (enforce)\n'], good],
      'ineffective',
      'the profile stockade-guest is in "complain" mode',
    ],
  ])('is not by %s', (_, files, state, observed) => {
    expect(lsm(...files)).toMatchObject({ state, observed });
  });

  it('of other rules under the same name is none', () => {
    const strange = proveIsolation(
      observe(
        stream(
          ...[...start, ...guest, 'strangers', '', 'threads', '', 'lines', ''],
          ...['files', ...boot, ...stat, ...loaded, ...good, 'links', 'stats', ...executable, 'end'],
        ),
      ),
      { ...expectation, profileFault: 'other rules are loaded under its name' },
    ).layers.find((each) => each.layer === 'lsm');
    expect(strange).toMatchObject({
      state: 'ineffective',
      observed: 'other rules are loaded under its name',
    });
  });
});

describe('what another could take', () => {
  const seen = (many: string, links: readonly string[], ...others: readonly string[]) =>
    observe(
      stream(
        ...[...start, ...guest.slice(0, 5), many, ...others, 'strangers', ''],
        ...['threads', thread(11, 'S (sleeping)'), 'lines', '', 'files', ...boot, ...stat],
        ...['links', ...links, 'stats', ...executable, 'end'],
      ),
    );
  const layer = (observation: ReturnType<typeof seen>, name: string) =>
    proveIsolation(observation, expectation).layers.find((each) => each.layer === name);

  it('a namespace that another guest is in is not its own', () => {
    const links = (pid: number) => [`/proc/${pid}/ns/net`, 'f', 'net:[5]'];
    const host = ['/proc/1/ns/net', 'f', 'net:[1]'];
    const other = ['guest', 'web2', '300002', '20', ' 21', ''];
    const observation = seen('', [...host, ...links(11), ...links(21)], ...other);
    expect(layer(observation, 'net-namespace')).toMatchObject({
      state: 'ineffective',
      observed: 'guest "web2" is in it too',
    });
    expect(layer(seen('', [...host, ...links(11)]), 'net-namespace')?.state).toBe('effective');
  });

  it('too many open files are not known, and a bad one among those listed still counts', () => {
    const null3 = ['/proc/11/fd/3', 'c', '/dev/null'];
    expect(layer(seen(' 11', null3), 'open-files')).toMatchObject({
      state: 'unproven',
      observed: 'the device-model has too many open files to list them',
    });
    expect(layer(seen(' 11', [...null3, '/proc/11/fd/4', 'd', '/etc']), 'open-files')?.state).toBe(
      'ineffective',
    );
  });

  it('a working directory outside the empty one is a hole', () => {
    const file = (path: string, inode: string) => [path, '9', inode, '4000', '0', '0', '0', '0'];
    const chrootOf = (cwd: string) =>
      layer(
        observe(
          stream(
            ...[...start, ...guest.slice(0, 5), '', 'strangers', '', 'files', ...boot, ...stat],
            ...[
              'links',
              expectation.chroot,
              'd',
              '',
              'stats',
              ...executable,
              ...file(expectation.chroot, '7'),
            ],
            ...[...file('/proc/11/root/.', '7'), ...file('/proc/11/cwd/.', cwd), 'end'],
          ),
        ),
        'chroot',
      );
    expect(chrootOf('7')?.state).toBe('effective');
    expect(chrootOf('8')).toMatchObject({
      state: 'ineffective',
      observed: 'the working directory of the device model is another one',
    });
  });

  it.each([
    ['pts', 'devpts'],
    ['shm', 'tmpfs'],
    ['mqueue', 'mqueue'],
  ])('/dev/%s is a %s of its own', (name, fileSystem) => {
    const mount = (point: string, type: string, source = point.replace('/dev/', 'stockade-')) =>
      `1 2 0:3 / ${point} rw - ${type} ${source} rw,size=64k,mode=755\n`;
    const all = [mount('/dev', 'tmpfs'), mount('/dev/pts', 'devpts'), mount('/dev/shm', 'tmpfs')];
    const mounts = [...all, mount('/dev/mqueue', 'mqueue')];
    const path = '/proc/10/mountinfo\0';
    const ns = (pid: number) => [`/proc/${pid}/ns/mnt`, 'f', 'mnt:[5]'];
    const parent = ['/proc/10/stat', `10 (q) S 1 ${'0 '.repeat(17)}7 0`];
    const seenWith = (lines: readonly string[]) =>
      layer(
        observe(
          stream(
            ...[...start, ...guest, 'strangers', '', 'threads', '', 'lines'],
            ...`${lines.map((line) => `${path}${line}`).join('')}`.split('\0'),
            ...['files', ...boot, ...stat, ...parent, 'links', ...ns(10), ...ns(11), 'stats', ...executable],
            ...['/proc/10/exe', '1', '3', '81ed', '0', '0', '0', '0', 'end'],
          ),
        ),
        'private-dev',
      );
    const complaint = `no ${fileSystem} is mounted on /dev/${name}`;
    expect(seenWith(mounts)?.observed).not.toContain('is mounted on');
    expect(seenWith([...mounts, mount(`/dev/${name}`, fileSystem, 'x')])?.observed).toContain(
      `what is mounted on /dev/${name} is not the guest's own`,
    );
    expect(seenWith([...mounts, mount(`/dev/${name}`, 'ext4')])?.observed).toContain(complaint);
    expect(seenWith(mounts.filter((line) => !line.includes(` /dev/${name} `)))?.observed).toContain(
      complaint,
    );
  });

  describe('a device that was given', () => {
    const node = (path: string, number: string, mode = '21a4') => [
      path,
      '9',
      '9',
      mode,
      '0',
      '0',
      'a',
      number,
    ];
    const held = (target: string, ...stats: readonly string[]) => {
      const given = {
        ...expectation,
        deviceNodes: [...expectation.deviceNodes, 'vfio/12'],
        devices: ['vfio/12'],
      };
      const bytes = stream(
        ...[...start, ...guest.slice(0, 5), '', 'strangers', '', 'threads', '', 'lines', ''],
        ...['files', ...boot, ...stat, 'links', '/proc/11/fd/3', 'c', target],
        ...['stats', ...executable, ...stats, 'end'],
      );
      const parsed = parseEvidence(bytes, [given], 'hv1');
      const [observation] = parsed.ok ? parsed.value : [];
      if (observation === undefined) throw new Error('no observation');
      return proveIsolation(observation, given).layers.find(({ layer: name }) => name === 'open-files');
    };
    const open = (number: string, mode?: string) => node('/proc/11/fd/3', number, mode);
    const own = node('/dev/vfio/12', '5');

    it.each([
      ['is held', '/dev/vfio/12', [...open('5'), ...own], 'effective'],
      ['is held, and what stands for it', 'anon_inode:[vfio-device]', [], 'effective'],
      ['is another one under its name', '/dev/vfio/12', [...open('6'), ...own], 'ineffective'],
      ['is a block device under its name', '/dev/vfio/12', [...open('5', '61a4'), ...own], 'ineffective'],
      ['is held under another name', '/dev/vfio/13', [...open('5'), ...own], 'ineffective'],
      ['is none of the host any more', '/dev/vfio/12', open('5'), 'ineffective'],
      ['was opened meanwhile', '/dev/vfio/12', own, 'unproven'],
    ] as const)('%s', (_, target, stats, state) => {
      expect(held(target, ...stats)?.state).toBe(state);
    });
  });

  it("the kernel's accelerator is open only where it was asked for", () => {
    const observation = seen('', ['/proc/11/fd/3', 'f', 'anon_inode:kvm-vcpu:0']);
    expect(layer(observation, 'open-files')?.state).toBe('ineffective');
    const asked = { ...expectation, deviceNodes: [...expectation.deviceNodes, 'kvm'] };
    const judged = proveIsolation(observation, asked);
    expect(judged.layers.find((each) => each.layer === 'open-files')?.state).toBe('effective');
  });
});

describe('loggers', () => {
  const pipe = (log: string) => `${expectation.runDirectory}/${log}`;
  const processStat = (pid: number, parent: number) => [
    `/proc/${pid}/stat`,
    `${pid} (sh) S ${parent} ${'0 '.repeat(17)}7 0`,
  ];
  const program = (pid: number) => [`/proc/${pid}/exe`, '1', '40', '81ed', '0', '0', '0', '0'];
  const opened = (pid: number, target: string, type = 'p') => [`/proc/${pid}/fd/0`, type, target];
  const honest = [
    ...opened(11, '/dev/null', 'c'),
    ...opened(12, pipe('serial')),
    ...opened(13, pipe('stderr')),
  ];
  const lost = (links: readonly string[], parent = 10, active = 'active') => {
    const observation = observe(
      stream(
        ...['time', '2026-01-02T03:04:05Z\n', 'units'],
        `Id=stockade-guest@web1.service\nActiveState=${active}\nMainPID=10`,
        ...['guest', 'web1', '300001', '10', ' 11 12 13', '', 'strangers', ''],
        ...['files', ...boot, ...stat, ...processStat(12, parent), ...processStat(13, 10)],
        ...['links', '/proc/10/ns/pid', 'f', 'pid:[1]', '/proc/12/ns/pid', 'f', 'pid:[1]'],
        ...['/proc/13/ns/pid', 'f', 'pid:[1]', ...links],
        ...['stats', ...executable, ...program(12), ...program(13), 'end'],
      ),
    );
    return proveIsolation(observation, expectation).lostHelpers;
  };

  it('are there while they hold their pipes', () => {
    expect(lost(honest)).toEqual([]);
  });

  it.each([
    ['one holds another file', [...honest.slice(0, 6), ...opened(13, '/x')], 10, ['logger of stderr']],
    [
      'a file is called like its pipe',
      [...honest.slice(0, 6), ...opened(13, pipe('stderr'), 'f')],
      10,
      ['logger of stderr'],
    ],
    ['only what it had started is left', honest, 1, ['logger of serial']],
  ] as const)('are lost where %s', (_, links, parent, what) => {
    expect(lost(links, parent)).toEqual(what);
  });

  it.each([
    ['the unit is being stopped', honest, 'deactivating'],
    ['QEMU has ended meanwhile', honest.slice(3), 'active'],
  ] as const)('are not missed where %s', (_, links, active) => {
    expect(lost(links, 1, active)).toEqual([]);
  });

  it('are not missed where their files could not be read', () => {
    expect(lost(honest.slice(0, 6))).toEqual([]);
  });
});

describe('lines of /proc', () => {
  it('stat counts from the last parenthesis', () => {
    expect(parseStat(`5 (x) R 1 1\n) S 4 ${'0 '.repeat(17)}123 0\n`)).toEqual({
      parentPid: 4,
      startTimeTicks: 123,
    });
    expect(parseStat('5 (x')).toBeUndefined();
  });
  it('limits and mounts', () => {
    expect(
      parseLimits(
        'Limit Soft Hard Units\nMax file size             262144               unlimited            bytes     \n',
      ),
    ).toEqual({
      'Max file size': { soft: 262144, hard: Number.POSITIVE_INFINITY },
    });
    expect(
      parseMountinfo(
        '1 2 0:3 / /dev rw,nosuid shared:4 master:5 - tmpfs stockade-dev rw,size=64k,mode=755\n',
      ),
    ).toEqual([
      {
        id: 1,
        parent: 2,
        device: '0:3',
        root: '/',
        mountPoint: '/dev',
        options: 'rw,nosuid',
        fileSystem: 'tmpfs',
        source: 'stockade-dev',
        superOptions: 'rw,size=64k,mode=755',
        propagation: ['shared:4', 'master:5'],
      },
    ]);
    expect(parseMountinfo('nonsense\n')).toBeUndefined();
  });
});

it('an exit code of the launcher names the step', () => {
  for (const [name, code] of Object.entries(stepExitCodes)) expect(stepOfExitCode(code)).toBe(name);
  expect(stepOfExitCode(1)).toBeUndefined();
});
