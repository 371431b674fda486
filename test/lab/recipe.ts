import { createHash } from 'node:crypto';

/** What a test host's root file system is made of. Any change makes a new cache entry. */
export const hostRecipe = {
  /** Raise when root.ts changes what it does with the packages. */
  version: 1,
  suite: 'bookworm',
  packages: [
    'systemd-sysv',
    'dbus',
    'openssh-server',
    'iproute2',
    'qemu-system-x86',
    'qemu-utils',
    'acl',
    'procps',
    'util-linux',
    'udev',
    'sudo',
    'busybox-static',
  ],
  /** Never starts on a test host: periodic work would blur comparisons, consoles do not exist. */
  maskedUnits: [
    'apt-daily.service',
    'apt-daily.timer',
    'apt-daily-upgrade.service',
    'apt-daily-upgrade.timer',
    'dpkg-db-backup.service',
    'dpkg-db-backup.timer',
    'e2scrub_all.timer',
    'e2scrub_reap.service',
    'fstrim.timer',
    'systemd-tmpfiles-clean.timer',
    'systemd-pstore.service',
    'console-getty.service',
    'getty.target',
  ],
  /** Besides root: one who may become root, and one who may not. */
  users: [
    { name: 'operator', uid: 1000, sudo: true },
    { name: 'plain', uid: 1001, sudo: false },
  ],
} as const;

/** Debian releases that test hosts come in: QEMU 7.2 with its own helpers, and QEMU 10.0 with the Rust virtiofsd. */
export const suites = ['bookworm', 'trixie'] as const;
export type Suite = (typeof suites)[number];

export interface RootRecipe {
  readonly version: number;
  readonly suite: Suite;
  readonly packages: readonly string[];
  readonly maskedUnits: readonly string[];
  readonly users: readonly { readonly name: string; readonly uid: number; readonly sudo: boolean }[];
}

/** The recipe of a release's root file system. */
export function recipeOf(suite: Suite): RootRecipe {
  return suite === 'bookworm'
    ? hostRecipe
    : { ...hostRecipe, suite, packages: [...hostRecipe.packages, 'virtiofsd'] };
}

/**
 * A host with a kernel of its own: cgroup controllers, device rules and AppArmor are real there. Debian's ordinary kernel, and what
 * it takes to start it without a boot loader.
 */
export const vmRecipe = {
  ...hostRecipe,
  /** Raise when vm/image.ts changes what it makes. */
  vmVersion: 1,
  packages: [...hostRecipe.packages, 'apparmor', 'initramfs-tools', 'kmod', 'linux-image-amd64', 'zstd'],
  /** What the initial RAM disk loads. */
  bootModules: ['virtio_pci', 'virtio_blk', 'virtio_net', 'ext4'],
  memoryMib: 2048,
  diskMib: 3072,
} as const;

/** A Xen host: dom0 is Debian's ordinary kernel (its cloud kernel cannot be one), guests get Debian's build of QEMU for Xen. */
export const xenRecipe = {
  ...hostRecipe,
  /** Raise when vm/xen.ts or vm/image.ts changes what it makes. */
  xenVersion: 5,
  packages: [
    ...hostRecipe.packages.filter((name) => name !== 'qemu-system-x86'),
    'initramfs-tools',
    'kmod',
    'linux-image-amd64',
    'python3-minimal',
    'qemu-system-xen',
    'seabios',
    'xen-hypervisor-4.17-amd64',
    'xen-utils-4.17',
    'zstd',
  ],
  bootModules: [...vmRecipe.bootModules, 'xen-privcmd', 'xen-evtchn', 'xen-gntdev'],
  /** What dom0 loads once it is up. */
  modules: ['xen-gntalloc', 'xen-blkback', 'xen-netback', 'loop', 'tun'],
  memoryMib: 2048,
  diskMib: 2048,
} as const;

/** Where guests' kernels come from. */
export const guestRecipe = {
  /** Raise when guest-image.ts changes what it makes. */
  version: 2,
  suite: 'bookworm',
  kernelPackage: 'linux-image-amd64',
  modules: ['evdev', 'button'],
  /** In the order in which they need each other. */
  diskModules: [
    'virtio',
    'virtio_ring',
    'virtio_pci_legacy_dev',
    'virtio_pci_modern_dev',
    'virtio_pci',
    'virtio_mmio',
    'virtio_blk',
  ],
} as const;

/** What the guest that uses shared directories is made of, beside a perl of the test hosts' root. */
export const shareGuestRecipe = {
  /** Raise when guest/share-image.ts changes what it makes. */
  version: 2,
  suite: guestRecipe.suite,
  kernelPackage: guestRecipe.kernelPackage,
  /** In the order in which they need each other, after the two that every guest loads first. */
  modules: [
    ...guestRecipe.modules,
    'virtio',
    'virtio_ring',
    'virtio_pci_legacy_dev',
    'virtio_pci_modern_dev',
    'virtio_pci',
    'virtio_mmio',
    'netfs',
    'fscache',
    '9pnet',
    '9pnet_virtio',
    '9pnet_fd',
    '9p',
    'fuse',
    'virtiofs',
    'virtio_console',
  ],
  libraries: ['libc.so.6', 'libcrypt.so.1', 'libm.so.6'],
  /** What the guest's program uses, and what that loads. */
  perlModules: [
    'Errno.pm',
    'Carp.pm',
    'Exporter.pm',
    'Exporter/Heavy.pm',
    'Fcntl.pm',
    'POSIX.pm',
    'XSLoader.pm',
    'Tie/Hash.pm',
    'auto/Fcntl/Fcntl.so',
    'auto/POSIX/POSIX.so',
    'constant.pm',
    'overloading.pm',
    'strict.pm',
    'warnings.pm',
    'warnings/register.pm',
  ],
} as const;

/** A short name for exactly this recipe. */
export function recipeDigest(recipe: unknown): string {
  return createHash('sha256').update(JSON.stringify(recipe)).digest('hex').slice(0, 12);
}
