import type { HelperShare } from './launch-share.ts';

/**
 * The privileges of a file server (what virtfs-proxy-helper keeps by its own source): owners and modes of any file, device nodes. virtiofsd
 * has one more of its own: privileges of files.
 */
const proxyCapabilities = ['chown', 'dac_override', 'fowner', 'fsetid', 'setgid', 'setuid', 'mknod'] as const;
const virtiofsCapabilities = [...proxyCapabilities, 'setfcap'] as const;

/** Bits of <linux/capability.h>. */
const bits = {
  chown: 0,
  dac_override: 1,
  fowner: 3,
  fsetid: 4,
  setgid: 6,
  setuid: 7,
  setpcap: 8,
  sys_chroot: 18,
  sys_admin: 21,
  mknod: 27,
  setfcap: 31,
} as const;
type HelperCapability = keyof typeof bits;

/** What a helper works with, and may have at most. */
export function helperCapabilities({ driver }: HelperShare): readonly HelperCapability[] {
  return driver.kind === 'proxy' ? proxyCapabilities : virtiofsCapabilities;
}

/**
 * The bounding set a helper is started with: beside what it works with, what it needs to lock itself in. virtiofsd gives all of that up
 * (setpcap); the Rust one makes namespaces of its own first (sys_admin), before it has any thread but one. The proxy drops the rest on its first thread alone, the second (RCU of
 * QEMU's library) keeps what it was started with: no setpcap for it, and evidence tells of sys_chroot there.
 */
export function helperBounding(share: HelperShare): readonly HelperCapability[] {
  const own = helperCapabilities(share);
  if (share.driver.kind === 'proxy') return [...own, 'sys_chroot'];
  const locks = [...own, 'sys_chroot', 'setpcap'] as const;
  return share.driver.implementation === 'c' ? locks : [...locks, 'sys_admin'];
}

export function capabilityMask(names: readonly HelperCapability[]): bigint {
  return names.reduce((mask, name) => mask | (1n << BigInt(bits[name])), 0n);
}

const mib = 1_048_576;

/**
 * Soft and hard, by the names that `prlimit` has. Units: bytes, but for nofile. virtiofsd keeps a descriptor for each file that its guest
 * knows of: `nofile` is the most it may have, systemd takes what the kernel allows.
 */
export function helperRlimits({ driver, maxFileMib }: HelperShare) {
  return {
    fsize: maxFileMib * mib,
    nofile: driver.kind === 'proxy' ? 1024 : 1_000_000,
    core: 0,
    msgqueue: 0,
    memlock: 0,
    locks: 0,
  } as const;
}

/** Limits of the helper's unit. What of files is in the page cache counts, and is given back when memory is short. */
export function helperCgroupLimits({ driver }: HelperShare) {
  return driver.kind === 'proxy'
    ? ({ memoryMib: 256, tasks: 64, cpuPercent: 100 } as const)
    : ({ memoryMib: 512, tasks: 128, cpuPercent: 100 } as const);
}
