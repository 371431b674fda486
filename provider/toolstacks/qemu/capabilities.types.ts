import type { Toolstack } from '../../model/toolstack.ts';
import type { XenCapabilities } from '../xl/capabilities.types.ts';

/** What a host's own QEMU answers about itself. Flags are chosen from this, never from a version number alone. */
export interface QemuCapabilities {
  /** Absolute path, symbolic links resolved. */
  readonly binary: string;
  readonly device: number;
  readonly inode: number;
  /** As printed: `7.2.22`. */
  readonly version: string;
  /** `-sandbox` with its sub-options is known (built with seccomp). */
  readonly seccomp: boolean;
  /** `-run-with chroot=` / `user=` are known; else `-chroot`, `-runas`. */
  readonly runWithChroot: boolean;
  readonly runWithUser: boolean;
  readonly chrootOption: boolean;
  readonly runasOption: boolean;
  /** `-runas` takes UID:GID in numbers (2.12). */
  readonly runasNumeric: boolean;
  /** `-blockdev` (2.9) and `-add-fd` are known: without both no disk can be passed. */
  readonly blockdev: boolean;
  readonly addFd: boolean;
  /** Shared memory: `memory-backend-memfd` (2.12), and how it becomes the guest's: `-machine memory-backend=` (5.0) or `-numa node,memdev=`. */
  readonly memfdBackend: boolean;
  readonly memoryBackendProperty: boolean;
  readonly numaMemdev: boolean;
  /** `-netdev user`: built with slirp. */
  readonly userNetwork: boolean;
  readonly xenDomidRestrict: boolean;
  readonly machines: readonly string[];
  /** Drivers of `-fsdev`: local, proxy, synth. */
  readonly fsdevDrivers: readonly string[];
  readonly devices: readonly string[];
  readonly accelerators: { readonly built: readonly string[]; readonly working: readonly string[] };
}

/** The rest of the host: one record per host decides what is used. */
export interface HostCapabilities {
  readonly qemu: QemuCapabilities | undefined;
  /** `uname -r`. */
  readonly kernel: string;
  readonly bootId: string;
  /** systemd and its version, as the running init; `none` on every other host. */
  readonly supervisor: { readonly kind: 'systemd'; readonly version: number } | { readonly kind: 'none' };
  /** Programs that the launcher or the steps need, that are missing. */
  readonly missingPrograms: readonly string[];
  /** The file sharing daemon: QEMU's own in C (until 8.0), or the Rust one; their options differ. */
  readonly virtiofsd:
    | {
        readonly path: string;
        readonly kind: 'c' | 'rust';
        /** `--translate-uid` and `--translate-gid` are known: users of the guest can be others on the host. */
        readonly translatesIds: boolean;
      }
    | undefined;
  readonly proxyHelper: string | undefined;
  readonly cgroupVersion: 1 | 2 | undefined;
  /** Controllers that the host's own root cgroup can give to units; empty where limits are accepted but not enforced. */
  readonly cgroupControllers: readonly string[];
  /** Security modules of the kernel. */
  readonly lsm: readonly string[];
  /** What loads AppArmor profiles, where it is of version 3.0 or later. */
  readonly apparmorParser: string | undefined;
  /** What runs the guests, as the fleet that is asked about chose it. @default 'qemu' */
  readonly toolstack?: Toolstack;
  /** `undefined`: the host has no `xl`. */
  readonly xen?: XenCapabilities | undefined;
}
