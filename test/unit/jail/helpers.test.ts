import { describe, expect, it } from 'vitest';
import { isolationExpectation } from '../../../provider/jail/expectation.ts';
import { proveHelpers } from '../../../provider/jail/helper-evidence.ts';
import { filterFindings } from '../../../provider/jail/helper-processes.ts';
import type { HelperShare } from '../../../provider/jail/launch-share.ts';
import type {
  FileObservation,
  GuestObservation,
  HelperObservation,
  MountObservation,
  OpenFileObservation,
  ProcessObservation,
  ThreadObservation,
} from '../../../provider/jail/observation.ts';
import { parseMountinfo } from '../../../provider/jail/mountinfo.ts';
import { sharedFiles } from '../../../provider/jail/share-open-files.ts';
import { type LayerName, layerNames } from '../../../provider/model/evidence.ts';
import { samplePlan } from '../../samples.ts';

const driver = { kind: 'proxy', helper: '/usr/lib/qemu/virtfs-proxy-helper' } as const;
const share: HelperShare = {
  tag: 'a',
  source: '/srv/a',
  readonly: true,
  onlyWriter: false,
  maxFileMib: 512,
  driver,
};
const expectation = isolationExpectation(
  samplePlan({ shares: [share] }),
  { uid: 300001, gid: 300001, shared: false },
  {
    ...{
      qemuDevice: 1,
      qemuInode: 2,
      loggerUid: 999,
      loggerGid: 997,
      unprovable: {},
      profileFault: undefined,
    },
  },
);

/** As read on Debian 12 (virtfs-proxy-helper 7.2). */
const view = `399 344 0:66 / / ro,nosuid,nodev,noexec - tmpfs stockade-view ro,size=64k,mode=755
400 399 0:40 /srv/a /export ro,nosuid,nodev - overlay overlay rw
289 399 0:40 /usr /usr ro,nosuid,nodev - overlay overlay rw
291 399 0:50 /sys/kernel/cap_last_cap /proc/sys/kernel/cap_last_cap ro,nosuid,nodev - proc proc rw
`;
const own = '400 399 0:40 /srv/a / ro,nosuid,nodev - overlay overlay rw\n';
const mountsOf = (text: string): readonly MountObservation[] => parseMountinfo(text) ?? [];

const file = (device: number, inode: number, change: Partial<FileObservation> = {}): FileObservation => ({
  ...{ device, inode, mode: 0o040755, uid: 0, gid: 0, deviceMajor: 0, deviceMinor: 0 },
  ...change,
});
const none = '0000000000000000';
const thread = (tid: number, held: string, change: Partial<ThreadObservation> = {}): ThreadObservation => ({
  ...{ tid, dead: false, uid: [0, 0, 0, 0], gid: [0, 0, 0, 0], groups: [] },
  capabilities: { CapInh: none, CapPrm: held, CapEff: held, CapBnd: '00000000080400db', CapAmb: none },
  ...{ noNewPrivs: 1, seccomp: 2, seccompFilters: 14 },
  ...change,
});
const limit = (value: number) => ({ soft: value, hard: value });
const limits = {
  ...{ 'Max file size': limit(536_870_912), 'Max open files': limit(1024), 'Max core file size': limit(0) },
  ...{ 'Max msgqueue size': limit(0), 'Max locked memory': limit(0), 'Max file locks': limit(0) },
};
const group = '/system.slice/stockade-share-web1:a@0-1-0.service';
const unit = 'stockade-share-web1:a@0-1-0.service';
const nodeNull = file(60, 9, { mode: 0o020666, deviceMajor: 1, deviceMinor: 3 });
const open = (descriptor: number, type: string, target: string, mountId: number, at?: FileObservation) =>
  ({ descriptor, type, target, mountIds: [mountId, mountId], file: at }) satisfies OpenFileObservation;
const hosts = {
  mnt: 'mnt:[1]',
  ipc: 'ipc:[1]',
  uts: 'uts:[1]',
  net: 'net:[1]',
  pid: 'pid:[1]',
  cgroup: 'cgroup:[1]',
};
const inside = {
  mnt: 'mnt:[2]',
  ipc: 'ipc:[2]',
  uts: 'uts:[2]',
  net: 'net:[2]',
  pid: 'pid:[2]',
  cgroup: 'cgroup:[2]',
};

const common = { startTimeTicks: 7, bootId: 'b', cgroup: group, labels: [], moreOpenFiles: false, limits };
const parent: ProcessObservation = {
  ...{
    ...common,
    role: 'namespace-parent',
    pid: 306,
    parentPid: 1,
    executableDevice: 40,
    executableInode: 30,
  },
  ...{ executableTarget: '/usr/bin/unshare', threads: [thread(306, '000001fffeffffff', { noNewPrivs: 0 })] },
  ...{ namespaces: { ...inside, pid: hosts.pid }, root: file(66, 1), directory: file(66, 1), openFiles: [] },
};
const server: ProcessObservation = {
  ...{ ...common, role: 'share-helper', pid: 338, parentPid: 306, executableDevice: 40, executableInode: 78 },
  ...{ executableTarget: driver.helper, namespaces: inside, root: file(40, 43), directory: file(40, 43) },
  threads: [thread(338, '00000000080000db'), thread(339, '00000000080400db')],
  openFiles: [
    open(0, 's', 'socket:[677170]', 10),
    open(1, 'c', '/dev/null', 155, nodeNull),
    open(2, 's', 'socket:[677174]', 10),
    open(5, 'd', '/', 400, file(40, 43)),
    open(6, 'f', '/file', 400, file(40, 44)),
  ],
};
const files = {
  ...{ 'memory.max': '268435456', 'memory.swap.max': '0', 'cpu.max': '100000 100000', 'pids.max': '64' },
  'io.max': undefined,
};
const honest: HelperObservation = {
  ...{ tag: 'a', units: [unit], controlGroup: group, processes: [parent, server] },
  cgroup: {
    ...{ sameNamespace: true, files, diskParts: {} },
    trials: {
      outside: new Map([['/dev/tty', 'failed otherwise']]),
      guests: new Map([[unit, new Map([['/dev/tty', 'refused']])]]),
    },
  },
  ...{ hostNamespaces: hosts, sharedNamespaces: {}, hostDevices: new Set(['0:40', '0:50']) },
  hostMounts: new Set([30]),
  mounts: new Map([
    [306, mountsOf(view)],
    [338, mountsOf(own)],
  ]),
  ...{ rootNames: ['bin', 'usr', 'etc', 'proc', 'host', 'export'], deviceNodes: undefined },
  ...{ source: { device: 40, inode: 43 }, program: file(40, 78) },
};

const guest = { helpers: [honest], mounts: [], processes: [], running: true } as unknown as GuestObservation;

function bad(helper: HelperObservation): Readonly<Record<string, string>> {
  const [found] = proveHelpers({ ...guest, helpers: [helper] }, expectation);
  const layers = found?.layers.filter(({ state }) => state !== 'effective') ?? [];
  return Object.fromEntries(layers.map(({ layer, state }) => [layer, state]));
}

const withServer = (change: Partial<ProcessObservation>): Partial<HelperObservation> => ({
  processes: [parent, { ...server, ...change }],
});
const withThreads = (change: (each: ThreadObservation) => ThreadObservation) =>
  withServer({ threads: server.threads.map(change) });
const withFile = (each: OpenFileObservation) =>
  withServer({ openFiles: [...(server.openFiles ?? []), each] });
const withMounts = (pid: number, text: string): Partial<HelperObservation> => ({
  mounts: new Map([...honest.mounts, [pid, mountsOf(text)]]),
});
const withGroup = (name: string, value: string): Partial<HelperObservation> => ({
  cgroup: { ...honest.cgroup, files: { ...honest.cgroup.files, [name]: value } },
});

describe('a helper', () => {
  it('in order shows every layer but the label and the user, which it has not', () => {
    expect(bad(honest)).toEqual({ lsm: 'missing' });
    const layers = proveHelpers(guest, expectation)[0]?.layers.map(({ layer }) => layer);
    expect(layers).toEqual(layerNames.filter((layer) => layer !== 'user'));
  });

  it.each<[LayerName, string, Partial<HelperObservation>]>([
    ['chroot', 'whose root is another directory', withServer({ root: file(40, 2) })],
    ['chroot', 'that works in another directory', withServer({ directory: file(40, 2) })],
    ['mount-namespace', 'in the host’s', withServer({ namespaces: { ...inside, mnt: hosts.mnt } })],
    [
      'mount-namespace',
      'with the host’s root',
      withMounts(306, view.replace('tmpfs stockade-view', 'ext4 /dev/sda')),
    ],
    [
      'mount-namespace',
      'that sees more of the host',
      withMounts(306, `${view}9 399 0:40 /etc /etc ro,nosuid,nodev - x y z\n`),
    ],
    [
      'mount-namespace',
      'whose export takes devices',
      withMounts(306, view.replace('/export ro,nosuid,nodev', '/export ro,nosuid')),
    ],
    [
      'mount-namespace',
      'whose export is written to',
      withMounts(306, view.replace('/export ro,', '/export rw,')),
    ],
    ['mount-namespace', 'whose view is written to', withMounts(306, view.replace('/ / ro,', '/ / rw,'))],
    [
      'mount-namespace',
      'with mounts that propagate',
      withMounts(306, view.replaceAll('nodev -', 'nodev shared:7 -')),
    ],
    [
      'mount-namespace',
      'that sees what is mounted below',
      withMounts(306, `${view}9 400 0:41 / /export/x ro,nosuid,nodev - x y z\n`),
    ],
    ['mount-namespace', 'that never entered the export', withMounts(338, view)],
    [
      'private-dev',
      'with a device',
      { rootNames: ['usr', 'dev'], deviceNodes: new Map([['sda', { isLink: false, file: nodeNull }]]) },
    ],
    [
      'private-dev',
      'with another device for null',
      { rootNames: ['dev'], deviceNodes: new Map([['null', { isLink: false, file: file(1, 1) }]]) },
    ],
    ['private-dev', 'with more in its root', { rootNames: ['usr', 'home'] }],
    ['ipc-namespace', 'in the host’s', withServer({ namespaces: { ...inside, ipc: hosts.ipc } })],
    ['uts-namespace', 'in the host’s', withServer({ namespaces: { ...inside, uts: hosts.uts } })],
    ['net-namespace', 'in its guest’s', { sharedNamespaces: { net: 'guest "web1"' } }],
    ['pid-namespace', 'in the host’s', withServer({ namespaces: { ...inside, pid: hosts.pid } })],
    ['cgroup-namespace', 'in the host’s', withServer({ namespaces: { ...inside, cgroup: hosts.cgroup } })],
    [
      'capabilities',
      'with more than a file server’s',
      withServer({ threads: [thread(338, '00000000080400db')] }),
    ],
    [
      'capabilities',
      'with a thread that may do more',
      withServer({ threads: [thread(338, none), thread(339, '00000000082400db')] }),
    ],
    ['no-new-privs', 'that may gain more', withThreads((each) => ({ ...each, noNewPrivs: 0 }))],
    [
      'seccomp',
      'without a filter on a thread',
      withServer({ threads: [thread(338, none), thread(339, none, { seccomp: 0 })] }),
    ],
    ['seccomp', 'without its unit’s filters', withThreads((each) => ({ ...each, seccompFilters: 1 }))],
    ['rlimits', 'that may dump core', withServer({ limits: { ...limits, 'Max core file size': limit(1) } })],
    ['rlimits', 'with more open files', withServer({ limits: { ...limits, 'Max open files': limit(4096) } })],
    ['cgroup-limits', 'with more memory', withGroup('memory.max', 'max')],
    ['cgroup-limits', 'with more tasks', withGroup('pids.max', 'max')],
    ['cgroup-limits', 'outside its unit', withServer({ cgroup: '/' })],
    [
      'cgroup-limits',
      'that may open devices',
      {
        cgroup: {
          ...honest.cgroup,
          trials: { ...honest.cgroup.trials, guests: new Map([[unit, new Map([['/dev/tty', 'opened']])]]) },
        },
      },
    ],
    ['open-files', 'with a directory of the host', withFile(open(7, 'd', '/', 30, file(40, 2)))],
    ['open-files', 'with a file of the host', withFile(open(7, 'f', '/file', 30, file(40, 44)))],
    ['open-files', 'with a device', withFile(open(7, 'b', '/dev/sda', 30))],
    ['open-files', 'with more sockets', withFile(open(7, 's', 'socket:[5]', 10))],
    [
      'open-files',
      'with memory that is not its guest’s',
      withFile(open(7, 'f', '/memfd:memory-backend-memfd (deleted)', 0, file(1, 5))),
    ],
  ])('%s: one %s is caught', (layer, _, change) => {
    expect(bad({ ...honest, ...change })).toEqual({ lsm: 'missing', [layer]: 'ineffective' });
  });

  it.each<[string, Partial<HelperObservation>]>([
    ['of another program', withServer({ executableInode: 79 })],
    ['whose program is gone', { program: undefined }],
    ['that is two', { units: [unit, 'stockade-share-web1:a@1-2-0.service'] }],
    ['that does not run', { processes: [] }],
  ])('%s proves nothing', (_, change) => {
    const states = new Set(Object.values(bad({ ...honest, ...change })));
    expect(states).toEqual(new Set(['unproven', 'missing']));
    expect(Object.keys(bad({ ...honest, ...change }))).toHaveLength(layerNames.length - 1);
  });

  it('of no share is one too many', () => {
    expect(new Set(Object.values(bad({ ...honest, tag: 'b' })))).toEqual(new Set(['ineffective']));
  });
});

describe('the label of a helper', () => {
  const wanted = { ...expectation, requests: { ...expectation.requests, lsm: 'on' as const } };
  const shown = (label: string, mode = 'enforce', of: HelperShare = share) => {
    const labelled = (process: ProcessObservation) => ({ ...process, labels: [label] });
    const helper = { ...honest, processes: [labelled(parent), labelled(server)] };
    const names = ['stockade-guest-share', 'stockade-guest-share-namespace'];
    const profiles = new Map(names.map((name) => [name, mode]));
    const [found] = proveHelpers({ ...guest, helpers: [helper], profiles }, { ...wanted, shares: [of] });
    const layer = found?.layers.find((each) => each.layer === 'lsm');
    return [layer?.state, layer?.observed];
  };
  it('is that of its kind, enforced', () => {
    expect(shown('stockade-guest-share (enforce)')[0]).toBe('effective');
    const rust: HelperShare = {
      ...share,
      driver: {
        ...{ kind: 'virtiofs', helper: driver.helper, implementation: 'rust', cache: 'auto' },
        ...{ announceSubmounts: false, uidMap: [], gidMap: [] },
      },
    };
    expect(shown('stockade-guest-share-namespace (enforce)', 'enforce', rust)[0]).toBe('effective');
    expect(shown('stockade-guest-share (enforce)', 'enforce', rust)[0]).toBe('ineffective');
  });
  it.each(['unconfined', 'stockade-guest (enforce)', 'stockade-guest-share (complain)'])(
    'is not %s',
    (label) => {
      const [state, observed] = shown(label);
      expect(state).toBe('ineffective');
      expect(observed).toContain(`the share-helper is "${label}"`);
      expect(observed).toContain(`the namespace-parent is "${label}"`);
    },
  );
  it('is none where the kernel only complains', () => {
    expect(shown('stockade-guest-share (enforce)', 'complain')).toEqual([
      'ineffective',
      'the profile stockade-guest-share is in "complain" mode',
    ]);
  });
});

describe('a file of a helper', () => {
  const layer = (openFiles: readonly OpenFileObservation[], change: Partial<ProcessObservation> = {}) => {
    const helper = {
      ...honest,
      ...withServer({ openFiles: [...(server.openFiles ?? []), ...openFiles], ...change }),
    };
    const [found] = proveHelpers({ ...guest, helpers: [helper] }, expectation);
    const shown = found?.layers.find((each) => each.layer === 'open-files');
    return [shown?.state, shown?.passing === true];
  };
  const hopping = (mountIds: readonly number[]) => ({ ...open(9, 'f', '/file', 0), mountIds });
  it.each<[string, readonly number[]]>([
    ['opened after one reading and closed before the other', []],
    ['closed since the first', [30]],
    ['whose number was one of the export before', [400, 30]],
  ])('%s has shown nothing, which is no reason for a restart', (_, mountIds) => {
    expect(layer([hopping(mountIds)])).toEqual(['unproven', true]);
  });
  it('of the export is as good where one reading missed it', () => {
    expect(layer([hopping([400])])).toEqual(['effective', false]);
  });

  const many = (counts: readonly (readonly [number, number])[] | undefined) =>
    layer([], { moreOpenFiles: true, filesByMount: counts && new Map(counts) });
  it('that is not listed, among many, is counted by its mount', () => {
    const listed = [
      [10, 2],
      [155, 1],
    ] as const;
    expect(many([...listed, [400, 9000]])).toEqual(['effective', false]);
    expect(many([...listed, [400, 9000], [30, 1]])).toEqual(['ineffective', false]);
    expect(many([...listed, [400, 9000], [14, 1]])).toEqual(['unproven', false]);
    expect(
      many([
        [10, 3],
        [155, 1],
        [400, 9000],
      ]),
    ).toEqual(['unproven', false]);
    expect(many(undefined)).toEqual(['unproven', false]);
  });
});

describe("virtiofsd's own filter", () => {
  const virtiofsd = (implementation: 'c' | 'rust'): HelperShare => ({
    ...share,
    driver: {
      ...{ kind: 'virtiofs', helper: '/usr/libexec/virtiofsd', implementation, cache: 'auto' },
      ...{ announceSubmounts: false, uidMap: [], gidMap: [] },
    },
  });
  const seccomp = (implementation: 'c' | 'rust', ...filters: readonly number[]) => {
    const threads = filters.map((seccompFilters, index) => thread(338 + index, none, { seccompFilters }));
    return filterFindings({ ...honest, ...withServer({ threads }) }, virtiofsd(implementation)).findings
      .wrong;
  };
  it('is on every thread of what serves', () => {
    expect(seccomp('rust', 15, 15)).toEqual([]);
    expect(seccomp('rust', 14, 15)).toHaveLength(1);
    expect(seccomp('rust', 15, 14)).toHaveLength(1);
  });
  it('of the C one may be missing on one thread, of a library, that is not the first', () => {
    expect(seccomp('c', 15, 14, 15)).toEqual([]);
    expect(seccomp('c', 14, 15, 15)).toHaveLength(1);
    expect(seccomp('c', 15, 14, 14)).toHaveLength(1);
  });
});

describe('what QEMU holds of a share', () => {
  const model = (...openFiles: OpenFileObservation[]): ProcessObservation => ({
    ...server,
    role: 'device-model',
    openFiles,
  });
  it('counts by the mount it was opened in, whatever it is called', () => {
    const good = open(20, 'd', '/dir', 400);
    const evil = open(21, 'd', '/dir', 30);
    const { allowed } = sharedFiles(model(good, evil), guest, expectation);
    expect([allowed.has(good), allowed.has(evil)]).toEqual([true, false]);
  });
  it('has shown nothing where its mount was not read', () => {
    const fresh: OpenFileObservation = { ...open(20, 'd', '/dir', 400), mountIds: [] };
    const { allowed, passing } = sharedFiles(model(open(5, 'f', '/x', 400), fresh), guest, expectation);
    expect([allowed.has(fresh), passing]).toEqual([
      true,
      ['files of the device-model were opened or closed while it was looked at'],
    ]);
  });
  it('has one socket for a proxy', () => {
    const sockets = [open(20, 's', 'socket:[1]', 10), open(21, 's', 'socket:[2]', 10)];
    expect(sharedFiles(model(...sockets.slice(1)), guest, expectation).wrong).toEqual([]);
    expect(sharedFiles(model(...sockets), guest, expectation).wrong).toEqual([
      'device-model holds 2 sockets',
    ]);
  });
});
