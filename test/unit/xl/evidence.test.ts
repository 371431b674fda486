import { describe, expect, it } from 'vitest';
import type { IsolationExpectation } from '../../../provider/jail/launch-plan.ts';
import type { GuestObservation, ProcessObservation } from '../../../provider/jail/observation.ts';
import { standsAsAsked } from '../../../provider/resources/guest/integrity.ts';
import { renderXlGuest } from '../../../provider/resources/guest/render-xl.ts';
import { unprovableLayers } from '../../../provider/resources/guest/requests.ts';
import type { HostCapabilities } from '../../../provider/toolstacks/qemu/capabilities.types.ts';
import type { DomainHandles, HandleVerdict } from '../../../provider/toolstacks/xl/fd-check-parse.ts';
import { proveXlIsolation } from '../../../provider/toolstacks/xl/evidence.ts';
import { idsInDomain, xlExpectation } from '../../../provider/toolstacks/xl/expectation.ts';
import { xenStates } from '../../container-host.ts';
import { sampleXen, sampleXenHost, xlGuest } from '../../xl-samples.ts';

const { plan } = renderXlGuest(xlGuest(), sampleXenHost);
const lease = { domid: 3, uid: 200_003, gid: 200_003, shared: false };
const domain = {
  ...{ domid: 7, name: 'web1', uuid: plan.uuid, maxMemoryKib: 131_072 },
  deviceModelPid: 30,
};
const identities = { loggerUid: 999, loggerGid: 998, unprovable: {} };
const expectation = xlExpectation(plan, lease, false, domain, identities);

const none = '0000000000000000';
const full = '000001ffffffffff';
const room = { device: 25, inode: 9, mode: 0o040000, uid: 0, gid: 0, deviceMajor: 0, deviceMinor: 0 };
const limit = (value: number) => ({ soft: value, hard: value });
const host = {
  mnt: 'mnt:[1]',
  ipc: 'ipc:[1]',
  uts: 'uts:[1]',
  net: 'net:[1]',
  pid: 'pid:[1]',
  cgroup: 'cgroup:[1]',
};

function thread(tid: number, uid: number, held = none, bounding = full) {
  return {
    ...{ tid, dead: false, noNewPrivs: 0, seccomp: 0, seccompFilters: 0, groups: [uid] },
    uid: [uid, uid, uid, uid] as const,
    gid: [uid, uid, uid, uid] as const,
    capabilities: { CapInh: none, CapPrm: held, CapEff: held, CapBnd: bounding, CapAmb: none },
  };
}

const model: ProcessObservation = {
  role: 'device-model',
  pid: 30,
  executableDevice: sampleXen.deviceModel.device,
  executableInode: sampleXen.deviceModel.inode,
  startTimeTicks: 77,
  bootId: 'b',
  parentPid: 1,
  threads: [thread(30, 200_003), thread(31, 200_003)],
  namespaces: { ...host, mnt: 'mnt:[2]', ipc: 'ipc:[2]' },
  root: room,
  directory: room,
  cgroup: '/unit',
  executableTarget: sampleXen.deviceModel.path,
  labels: [],
  limits: {
    'Max file size': limit(262_144),
    'Max core file size': limit(0),
    'Max msgqueue size': limit(0),
    'Max locked memory': limit(0),
    'Max file locks': limit(0),
  },
  openFiles: [
    { descriptor: 0, type: 'c', target: '/dev/null' },
    { descriptor: 3, type: 'c', target: '/dev/xen/privcmd' },
    { descriptor: 4, type: 'c', target: '/dev/xen/evtchn' },
    { descriptor: 5, type: 'p', target: '/run/stockade/guests/web1/serial' },
    { descriptor: 6, type: 's', target: 'socket:[99]' },
    { descriptor: 7, type: 'f', target: '/var/log/xen/qemu-dm-web1.log' },
  ],
  moreOpenFiles: false,
};

const seen = (change: Partial<ProcessObservation> = {}): GuestObservation => ({
  ...{ host: 'xen1', guest: 'web1', takenAt: '2026-01-02T03:04:05Z', unit: undefined, running: true },
  processes: [{ ...model, ...change }],
  helperWentAway: false,
  strangers: [],
  cgroup: {
    sameNamespace: true,
    files: {
      'memory.max': String(256 * 1024 * 1024),
      'memory.swap.max': '0',
      'cpu.max': '150000 100000',
      'pids.max': '97',
      'io.max': undefined,
    },
    diskParts: {},
    trials: {
      outside: new Map([['/dev/mem', 'opened']]),
      guests: new Map([['web1', new Map([['/dev/mem', 'refused']])]]),
    },
  },
  hostNamespaces: host,
  sharedNamespaces: {},
  helpers: [],
  profiles: undefined,
  mounts: undefined,
  deviceNodes: undefined,
  hostNodes: new Map(),
  images: undefined,
  chroot: room,
  chrootEntries: [],
});

const handles: DomainHandles = {
  ...{ pid: 30, startTimeTicks: 77, complete: true },
  executableDevice: sampleXen.deviceModel.device,
  executableInode: sampleXen.deviceModel.inode,
  handles: [
    { descriptor: 3, kind: 'privcmd', verdict: 'restricted', said: '' },
    { descriptor: 4, kind: 'evtchn', verdict: 'restricted', said: '' },
  ],
};

const unit = { controlGroup: '/unit' } as NonNullable<GuestObservation['unit']>;
const states = (observation: GuestObservation, checked: DomainHandles | undefined = handles) => {
  const { layers } = proveXlIsolation({ ...observation, unit }, expectation, checked);
  return Object.fromEntries(layers.map(({ layer, state }) => [layer, state]));
};

const open = { descriptor: 3, kind: 'privcmd', verdict: 'unrestricted', said: '' } as const;
function handlesShown(
  checked: DomainHandles | undefined,
  unprovable: IsolationExpectation['unprovable'] = {},
) {
  const { layers } = proveXlIsolation({ ...seen(), unit }, { ...expectation, unprovable }, checked);
  const shown = layers.find(({ layer }) => layer === 'xen-handles');
  if (shown === undefined) throw new Error('nothing is said of handles');
  return shown;
}

describe('evidence of a guest that xl runs', () => {
  it('has what libxl gives as effective, and the rest as missing', () => {
    expect(states(seen())).toEqual(xenStates);
  });

  it.each<[string, Partial<ProcessObservation>]>([
    ['user', { threads: [thread(30, 200_003), thread(31, 0)] }],
    ['capabilities', { threads: [thread(30, 200_003, full)] }],
    ['chroot', { root: { ...room, inode: 2 }, directory: { ...room, inode: 2 } }],
    ['mount-namespace', { namespaces: { ...model.namespaces, mnt: host.mnt } }],
    ['ipc-namespace', { namespaces: { ...model.namespaces, ipc: host.ipc } }],
    ['rlimits', { limits: { ...model.limits, 'Max file size': limit(Number.POSITIVE_INFINITY) } }],
    ['cgroup-limits', { cgroup: '/elsewhere' }],
    ['open-files', { openFiles: [{ descriptor: 9, type: 'f', target: '/etc/shadow' }] }],
  ])('shows a hole in %s', (layer, change) => {
    expect(states(seen(change))).toEqual({ ...xenStates, [layer]: 'ineffective' });
  });

  it('shows handles that are not restricted, and proves none that were not checked', () => {
    const handle = (descriptor: number, kind: string, verdict: HandleVerdict) => ({
      descriptor,
      kind,
      verdict,
      said: '',
    });
    const other = handle(4, 'evtchn', 'restricted');
    const verdict = (change: Partial<DomainHandles>) =>
      states(seen(), { ...handles, ...change })['xen-handles'];
    expect(verdict({ handles: [handle(3, 'privcmd', 'unrestricted'), other] })).toBe('ineffective');
    expect(verdict({ handles: [handle(3, 'privcmd', 'unchecked'), other] })).toBe('unproven');
    expect(verdict({ handles: [other] })).toBe('unproven');
    expect(verdict({ complete: false })).toBe('unproven');
    expect(verdict({ startTimeTicks: 78 })).toBe('unproven');
    expect(verdict({ executableDevice: 41 })).toBe('unproven');
    expect(handlesShown(undefined)).toMatchObject({ layer: 'xen-handles', state: 'unproven' });
  });

  it('is no reason to start a guest anew where handles cannot be tried on its host, or were those of its last start', () => {
    const stands = (checked: DomainHandles | undefined, host: HostCapabilities = sampleXenHost) =>
      standsAsAsked(handlesShown(checked, unprovableLayers(host)));
    expect(stands(handles)).toBe(true);
    expect(stands(undefined)).toBe(false);
    expect(stands({ ...handles, complete: false })).toBe(false);
    expect(stands({ ...handles, executableInode: 51 })).toBe(false);
    expect(stands({ ...handles, startTimeTicks: 70 })).toBe(true);
    expect(stands({ ...handles, pid: 29 })).toBe(true);
    for (const lack of [
      { xen: { ...sampleXen, handleChecker: undefined } },
      { xen: { ...sampleXen, python: undefined } },
      { kernel: '5.4.0-150-generic' },
    ])
      expect(stands(undefined, { ...sampleXenHost, ...lack })).toBe(true);
    const without = { ...sampleXenHost, xen: { ...sampleXen, handleChecker: undefined } };
    expect(stands({ ...handles, handles: [open] }, without)).toBe(false);
  });

  it('proves nothing of a process that is not the device model that Xen knows', () => {
    const effective = (change: Partial<ProcessObservation>) =>
      Object.values(states(seen(change))).filter((state) => state === 'effective');
    expect(effective({ pid: 31 })).toEqual([]);
    expect(effective({ executableInode: 51 })).toEqual([]);
    const upgraded = { executableInode: 51, executableTarget: `${sampleXen.deviceModel.path} (deleted)` };
    const { layers } = proveXlIsolation({ ...seen(upgraded), unit }, expectation, handles);
    expect(layers.find(({ layer }) => layer === 'user')?.observed).toContain(
      "QEMU was upgraded since the guest's start",
    );
  });
});

describe('the ids of a device model', () => {
  it('follow the domid in a range alone', () => {
    expect(idsInDomain(lease, true, { domid: 40 })).toEqual({ uid: 200_040, gid: 200_000 });
    expect(idsInDomain(lease, false, { domid: 40 })).toEqual({ uid: 200_003, gid: 200_003 });
    expect(idsInDomain({ ...lease, shared: true }, true, { domid: 40 })).toEqual({
      uid: 200_003,
      gid: 200_003,
    });
  });
});
