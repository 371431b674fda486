import type { LaunchPlan } from '../provider/jail/launch-plan.ts';
import { type GuestEvidence, type LayerRequests, layerNames } from '../provider/model/evidence.ts';
import type { GuestFacts } from '../provider/resources/guest/facts.ts';
import { type HostWithQemu, renderGuest } from '../provider/resources/guest/render.ts';
import type { QemuCapabilities } from '../provider/toolstacks/qemu/capabilities.types.ts';
import {
  type GuestDesired,
  type GuestShare,
  guestDigest,
  plainGuest,
} from '../provider/resources/guest/desired.ts';

/** A plausible guest definition, for tests that need one and do not care which. */
export function sampleGuest(change: Partial<GuestDesired> = {}): GuestDesired {
  return {
    host: 'hv1',
    name: 'web1',
    fleet: 'fleet-1',
    scheme: 'per-domain',
    memoryMib: 256,
    vcpus: 2,
    machine: 'q35',
    accelerator: 'tcg',
    kernel: { kind: 'digest', sha256: 'b'.repeat(64), bytes: 8_000_000 },
    initrd: { kind: 'host', path: '/boot/initrd.img' },
    commandLine: 'console=ttyS0',
    ...plainGuest,
    serialLogMaxKib: 1024,
    restartPolicy: 'never',
    shutdownTimeoutSeconds: 20,
    ...change,
  };
}

/** A share of which nothing was said but what has to be. */
export function sampleShare(change: Partial<GuestShare> = {}): GuestShare {
  return {
    ...{
      tag: 'data',
      source: '/srv/data',
      readonly: true,
      driver: 'auto',
      writers: 'one',
      maxFileMib: 65_536,
    },
    ...change,
  };
}

/** A QEMU as Debian 12 has it. */
export const sampleQemu: QemuCapabilities = {
  binary: '/usr/bin/qemu-system-x86_64',
  device: 66,
  inode: 4242,
  version: '7.2.22',
  seccomp: true,
  runWithChroot: false,
  runWithUser: false,
  chrootOption: true,
  runasOption: true,
  runasNumeric: true,
  blockdev: true,
  addFd: true,
  memfdBackend: true,
  memoryBackendProperty: true,
  numaMemdev: true,
  userNetwork: true,
  xenDomidRestrict: true,
  machines: ['microvm', 'pc', 'q35'],
  fsdevDrivers: ['local', 'proxy', 'synth'],
  devices: ['virtio-blk-pci'],
  accelerators: { built: ['kvm', 'tcg'], working: ['tcg'] },
};

/** A host that can give every layer but a security module's label. */
export const sampleHost: HostWithQemu = {
  qemu: sampleQemu,
  kernel: '6.1.0',
  bootId: '11111111-2222-4333-8444-555555555555',
  supervisor: { kind: 'systemd', version: 252 },
  missingPrograms: [],
  virtiofsd: undefined,
  proxyHelper: undefined,
  cgroupVersion: 2,
  cgroupControllers: ['cpuset', 'cpu', 'io', 'memory', 'pids'],
  lsm: [],
  apparmorParser: undefined,
};

/** Every layer asked for, but for the label where there is no security module. */
export const sampleRequests: LayerRequests = {
  ...(Object.fromEntries(layerNames.map((layer) => [layer, 'on'])) as LayerRequests),
  lsm: 'missing',
};

/** The parts of a launch plan that only few tests care about. */
export const samplePlanParts = {
  requests: sampleRequests,
  disks: [],
  sharedMemoryMib: 0,
  shares: [],
  network: 'none',
  devices: [],
  hostDevMounts: false,
  limits: {
    memoryMib: 320,
    cpuPercent: 150,
    tasks: 97,
    openFiles: 2048,
    ioReadMibPerSecond: undefined,
    ioWriteMibPerSecond: undefined,
  },
} as const satisfies Partial<LaunchPlan>;

/** A launch plan of one guest on QEMU 7.2. */
export function samplePlan(change: Partial<LaunchPlan> = {}): LaunchPlan {
  return {
    guest: 'web1',
    qemuBinary: sampleQemu.binary,
    qemuArguments: [],
    confinement: { chroot: 'option', user: 'option' },
    vcpus: 1,
    usesKvm: false,
    ...samplePlanParts,
    serialLogMaxKib: 64,
    shutdownTimeoutSeconds: 0,
    restartPolicy: 'never',
    ...change,
  };
}

/** What a healthy host shows of a guest that is exactly as defined. */
export function sampleGuestFacts(guest: GuestDesired, change: Partial<GuestFacts> = {}): GuestFacts {
  const rendered = renderGuest(guest, sampleHost);
  const { host: _host, name, fleet, ...stored } = guest;
  return {
    name,
    owner: fleet,
    generation: 1,
    digest: guestDigest(guest),
    stored,
    lease: { domid: 1, uid: 200_001, gid: 200_001, shared: false },
    missing: ['lsm'],
    launcherSha256: rendered.launcherSha256,
    dropInSha256: rendered.dropInSha256,
    written: {
      launcherSha256: rendered.launcherSha256,
      dropInSha256: rendered.dropInSha256,
      shareFilesSha256: undefined,
    },
    shareFiles: new Map(),
    enabled: true,
    foreignUnitFiles: [],
    chroot: { mode: '0', uid: 0, gid: 0, entries: [] },
    changedFiles: [],
    ...change,
  };
}

/** Evidence in which every layer is effective. */
export function sampleEvidence(guest: GuestDesired, change: Partial<GuestEvidence> = {}): GuestEvidence {
  return {
    host: guest.host,
    guest: guest.name,
    takenAt: '2026-01-02T03:04:05Z',
    running: true,
    processes: [],
    lostHelpers: [],
    helpers: [],
    layers: layerNames.map((layer) => ({
      layer,
      state: 'effective',
      requested: 'x',
      observed: 'x',
      raw: [],
    })),
    ...change,
  };
}
