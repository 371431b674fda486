import type { ProcessIdentity } from '../model/evidence.ts';

/** Four ids of a `Uid:` or `Gid:` line: real, effective, saved, file system. */
export type FourIds = readonly [number, number, number, number];

/** One thread's /proc/PID/task/TID/status, the lines that count. `undefined`: the line was not there or not as expected. */
export interface ThreadObservation {
  readonly tid: number;
  /** It has ended (Z or X): where others of its process live on, that runs all the same. */
  readonly dead: boolean;
  readonly uid: FourIds | undefined;
  readonly gid: FourIds | undefined;
  readonly groups: readonly number[] | undefined;
  /** Hexadecimal digits as read: CapInh, CapPrm, CapEff, CapBnd, CapAmb. */
  readonly capabilities: Readonly<Record<CapabilitySet, string | undefined>>;
  readonly noNewPrivs: number | undefined;
  readonly seccomp: number | undefined;
  readonly seccompFilters: number | undefined;
}

export const capabilitySets = ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'] as const;
export type CapabilitySet = (typeof capabilitySets)[number];

export const namespaceKinds = ['mnt', 'ipc', 'uts', 'net', 'pid', 'cgroup'] as const;
export type NamespaceKind = (typeof namespaceKinds)[number];
/** `mnt:[4026531841]` by kind. */
export type NamespaceLinks = Readonly<Partial<Record<NamespaceKind, string>>>;

/** What `stat` said of one file. */
export interface FileObservation {
  readonly device: number;
  readonly inode: number;
  /** The whole st_mode. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** For device nodes. */
  readonly deviceMajor: number;
  readonly deviceMinor: number;
}

export interface OpenFileObservation {
  readonly descriptor: number;
  /** What the link says; hostile. */
  readonly target: string;
  /** `find`'s letter for what lies behind it: f d l p s b c, others for errors. */
  readonly type: string;
  /** What lies behind it, of regular files and devices. */
  readonly file?: FileObservation | undefined;
  /**
   * Numbers of the mounts that the descriptor's file was opened in, the kernel's word: before its link was read, and after. Of guests
   * with shares and their helpers alone; none where it was opened after the one and closed before the other.
   */
  readonly mountIds?: readonly number[] | undefined;
}

/** What has a name below a guest's private /dev. */
export interface NodeObservation {
  /** It is a symbolic link. */
  readonly isLink: boolean;
  /** What lies there, or what the link leads to; `undefined`: not read. */
  readonly file: FileObservation | undefined;
}

export interface LimitObservation {
  /** `unlimited` is Infinity. */
  readonly soft: number;
  readonly hard: number;
}

export interface ProcessObservation extends ProcessIdentity {
  readonly parentPid: number;
  readonly threads: readonly ThreadObservation[];
  readonly namespaces: NamespaceLinks;
  /** Its root and working directory. `undefined`: not read, or the process went away meanwhile. */
  readonly root: FileObservation | undefined;
  readonly directory: FileObservation | undefined;
  /** Path of its cgroup, as systemd names them; a process cannot change it. */
  readonly cgroup: string | undefined;
  /** What its executable is called; `undefined`: not read. Hostile: for a hint alone. */
  readonly executableTarget: string | undefined;
  /** Labels of the host's security module, one a thread. */
  readonly labels: readonly string[];
  readonly limits: Readonly<Record<string, LimitObservation>> | undefined;
  readonly openFiles: readonly OpenFileObservation[] | undefined;
  /** There are more of them than were listed. */
  readonly moreOpenFiles: boolean;
  /** How many of all are in which mount, by its number, where there are more than were listed; `undefined`: not counted. */
  readonly filesByMount?: ReadonlyMap<number, number> | undefined;
}

/** The unit's own words (`systemctl show`). */
export interface UnitObservation {
  readonly activeState: string;
  readonly subState: string;
  readonly result: string;
  readonly mainPid: number;
  readonly execMainCode: string;
  readonly execMainStatus: string;
  readonly restarts: number;
  readonly loadState: string;
  readonly fragmentPath: string;
  readonly dropInPaths: string;
  readonly needDaemonReload: boolean;
  /** Path of the unit's cgroup; empty while it has none. */
  readonly controlGroup: string;
}

/** Limits of the unit's cgroup, as the kernel has them. */
export interface CgroupObservation {
  /** Who reads sees cgroups as the host's process 1 does. */
  readonly sameNamespace: boolean;
  /** `undefined`: not there, or empty. */
  readonly files: Readonly<Record<CgroupFile, string | undefined>>;
  /** `MAJOR:MINOR` of a whole disk named in io.max, with all that lies on it: partitions, mapped devices. */
  readonly diskParts: Readonly<Record<string, readonly string[]>>;
  readonly trials: DeviceTrials;
}

export const cgroupFiles = ['memory.max', 'memory.swap.max', 'cpu.max', 'pids.max', 'io.max'] as const;
export type CgroupFile = (typeof cgroupFiles)[number];

/** How an attempt to open a device ended. `refused` is the device rule's word (EPERM), any other error is not. */
export type DeviceTrial = 'opened' | 'refused' | 'failed otherwise';

/** By device, outside all guests' cgroups and inside each one that could be entered. */
export interface DeviceTrials {
  readonly outside: ReadonlyMap<string, DeviceTrial>;
  readonly guests: ReadonlyMap<string, ReadonlyMap<string, DeviceTrial>>;
}

export interface MountObservation {
  /** The kernel's number of it; no other mount of the host has it at the same time. */
  readonly id: number;
  /** Number of the mount that it is mounted on. */
  readonly parent: number;
  /** `MAJOR:MINOR` of the file system. */
  readonly device: string;
  /** What of the file system is mounted. */
  readonly root: string;
  readonly mountPoint: string;
  readonly fileSystem: string;
  readonly source: string;
  /** Of this mount: `ro,nosuid,nodev`. */
  readonly options: string;
  readonly superOptions: string;
  /** `shared:`, `master:` … */
  readonly propagation: readonly string[];
}

/** By kind, who else is in a namespace: `guest "web2"`. */
export type SharedNamespaces = Readonly<Partial<Record<NamespaceKind, string>>>;

/** What was read about the helper of one share. */
export interface HelperObservation {
  readonly tag: string;
  /** Names of its units that have processes: one, if all is well. */
  readonly units: readonly string[];
  readonly controlGroup: string | undefined;
  readonly processes: readonly ProcessObservation[];
  readonly cgroup: CgroupObservation;
  readonly hostNamespaces: NamespaceLinks;
  readonly sharedNamespaces: SharedNamespaces;
  /** Mounts that each of its processes can see, by its pid. */
  readonly mounts: ReadonlyMap<number, readonly MountObservation[]>;
  /** File systems that the host itself has mounted, as `MAJOR:MINOR`; `undefined`: not read. */
  readonly hostDevices: ReadonlySet<string> | undefined;
  /** Numbers of the mounts that the host itself sees. */
  readonly hostMounts: ReadonlySet<number>;
  /** Names in the root of its view, and below /dev there. */
  readonly rootNames: readonly string[] | undefined;
  readonly deviceNodes: ReadonlyMap<string, NodeObservation> | undefined;
  /** The directory that is shared, as the helper's start found it. */
  readonly source: Pick<FileObservation, 'device' | 'inode'> | undefined;
  /** Where the host has the helper's program now. */
  readonly program: FileObservation | undefined;
}

/** Everything read about one guest; nothing of it is a judgement. */
export interface GuestObservation {
  readonly host: string;
  readonly guest: string;
  /** RFC 3339, the host's clock. */
  readonly takenAt: string;
  readonly unit: UnitObservation | undefined;
  /** QEMU runs (its process is there). */
  readonly running: boolean;
  /**
   * Of the guest's unit: those its cgroup lists, its main process with all descendants, and a QEMU that runs as the guest's user,
   * wherever they are now.
   */
  readonly processes: readonly ProcessObservation[];
  /** A helper ended while it was looked at: what is not there may just have been. */
  readonly helperWentAway: boolean;
  /** Processes of the guest's uid outside its unit. */
  readonly strangers: readonly number[] | undefined;
  readonly cgroup: CgroupObservation;
  /** Namespaces of the host's process 1. */
  readonly hostNamespaces: NamespaceLinks;
  readonly sharedNamespaces: SharedNamespaces;
  /** Of each share, and of units that bear the name of one. */
  readonly helpers: readonly HelperObservation[];
  /** Those profiles of ours that the kernel has, with the mode of each; `undefined`: its list could not be read. */
  readonly profiles: ReadonlyMap<string, string> | undefined;
  /** All, in the order they were mounted. Of the namespace parent: QEMU's own shows nothing, it sits in the empty directory. */
  readonly mounts: readonly MountObservation[] | undefined;
  /** By name below the private /dev, read through the namespace parent's root; in directories where something was asked for there. */
  readonly deviceNodes: ReadonlyMap<string, NodeObservation> | undefined;
  /** The host's own of the same names; those that could be read. */
  readonly hostNodes: ReadonlyMap<string, FileObservation>;
  /** Images of the guest's disks as the launcher found them; `undefined`: its record could not be read. */
  readonly images: readonly Pick<FileObservation, 'device' | 'inode'>[] | undefined;
  readonly chroot: FileObservation | undefined;
  /** Names in it, some; `undefined`: it could not be listed. */
  readonly chrootEntries: readonly string[] | undefined;
}
