import type { QemuCapabilities } from '../provider/toolstacks/qemu/capabilities.types.ts';

/**
 * What QEMUs of these versions answer, as far as flags depend on it. By hand, from `qemu-options.hx` (what -help prints), the
 * deprecation and removed-feature pages and the release notes of each; 7.2 and 10.0 compared with Debian's by test/e2e/versions.test.ts.
 *   2.11   -sandbox with sub-options is new; -runas takes a name alone; no memory-backend-memfd, no microvm
 *   2.12   -runas UID:GID; memory-backend-memfd
 *   4.2    microvm is new; C virtiofsd, vhost-user-fs; memory comes by -numa node,memdev=
 *   5.0    -machine memory-backend= (in -help since 6.0)
 *   8.1    -run-with chroot=; -chroot, -fsdev proxy deprecated
 *   9.0    -chroot is gone
 *   9.1    -run-with user=; -runas deprecated
 *   9.2    -fsdev proxy is gone
 *   10.0   -runas is gone
 */
export const qemuVersions = ['2.11', '4.2', '7.2', '8.1', '9.0', '9.1', '9.2', '10.0'] as const;
export type QemuVersion = (typeof qemuVersions)[number];

const newest: QemuCapabilities = {
  binary: '/usr/bin/qemu-system-x86_64',
  device: 66,
  inode: 4242,
  version: '10.0.0',
  seccomp: true,
  runWithChroot: true,
  runWithUser: true,
  chrootOption: false,
  runasOption: false,
  runasNumeric: false,
  blockdev: true,
  addFd: true,
  memfdBackend: true,
  memoryBackendProperty: true,
  numaMemdev: true,
  userNetwork: true,
  xenDomidRestrict: true,
  machines: ['microvm', 'pc', 'q35'],
  fsdevDrivers: ['local', 'synth'],
  devices: [
    'vhost-user-fs-device',
    'vhost-user-fs-pci',
    'virtio-9p-device',
    'virtio-9p-pci',
    'virtio-blk-device',
    'virtio-blk-pci',
    'virtio-net-device',
    'virtio-net-pci',
  ],
  accelerators: { built: ['tcg', 'kvm'], working: ['tcg', 'kvm'] },
};
const withProxy = ['local', 'proxy', 'synth'];
const v9_1: QemuCapabilities = {
  ...newest,
  version: '9.1.0',
  runasOption: true,
  runasNumeric: true,
  fsdevDrivers: withProxy,
};
const v9_0: QemuCapabilities = { ...v9_1, version: '9.0.0', runWithUser: false };
const v8_1: QemuCapabilities = { ...v9_0, version: '8.1.0', chrootOption: true };
const v7_2: QemuCapabilities = { ...v8_1, version: '7.2.0', runWithChroot: false };
const v4_2: QemuCapabilities = { ...v7_2, version: '4.2.0', memoryBackendProperty: false };
const v2_11: QemuCapabilities = {
  ...v4_2,
  version: '2.11.0',
  runasNumeric: false,
  memfdBackend: false,
  machines: ['pc', 'q35'],
  devices: newest.devices.filter((name) => !name.startsWith('vhost-user-fs')),
};

export const qemuOfVersion: Readonly<Record<QemuVersion, QemuCapabilities>> = {
  '2.11': v2_11,
  '4.2': v4_2,
  '7.2': v7_2,
  '8.1': v8_1,
  '9.0': v9_0,
  '9.1': v9_1,
  '9.2': { ...newest, version: '9.2.0', runasOption: true, runasNumeric: true },
  '10.0': newest,
};
