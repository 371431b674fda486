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

/** Where guests' kernels come from. */
export const guestRecipe = {
  /** Raise when guest-image.ts changes what it makes. */
  version: 1,
  suite: 'bookworm',
  kernelPackage: 'linux-image-amd64',
  modules: ['evdev', 'button'],
} as const;

/** A short name for exactly this recipe. */
export function recipeDigest(recipe: unknown): string {
  return createHash('sha256').update(JSON.stringify(recipe)).digest('hex').slice(0, 12);
}
