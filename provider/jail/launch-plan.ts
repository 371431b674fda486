import type { LayerEvidence, LayerRequests } from '../model/evidence.ts';
import type { LaunchShare } from './launch-share.ts';

/**
 * Everything the launcher of one guest is made from. Two equal plans render the same launcher, byte for byte. The uid is not
 * in it: the host leases it and the launcher reads it from the guest's lease file.
 */
export interface LaunchPlan {
  readonly guest: string;
  /** Absolute path of the QEMU binary. */
  readonly qemuBinary: string;
  /** QEMU's arguments up to privileges (`qemuArguments`); the jail adds those that confine (chroot, user, sandbox). */
  readonly qemuArguments: readonly string[];
  /** How this QEMU wants to be told its chroot and user. */
  readonly confinement: QemuConfinement;
  readonly vcpus: number;
  readonly usesKvm: boolean;
  /** Layer by layer, as it will be on this host. */
  readonly requests: LayerRequests;
  /** Opened by the launcher, passed by `-add-fd`. */
  readonly disks: readonly LaunchDisk[];
  /** Size of the guest's memory where that is a shared memory file; 0 where it is not. Unit: MiB. */
  readonly sharedMemoryMib: number;
  /** Directories of the host, each with its driver. */
  readonly shares: readonly LaunchShare[];
  /** `user`: QEMU plays the network itself. */
  readonly network: 'none' | 'user';
  /** Names below /dev beside those every guest has: `vfio/12`. */
  readonly devices: readonly string[];
  /** The host's mounts below /dev are moved in, in place of fresh ones. */
  readonly hostDevMounts: boolean;
  readonly limits: LaunchLimits;
  /** Unit: KiB. Kept as two segments of half each. */
  readonly serialLogMaxKib: number;
  /** Zero: the guest's power button is not pressed, QEMU is ended at once. */
  readonly shutdownTimeoutSeconds: number;
  readonly restartPolicy: 'never' | 'on_crash';
}

export interface LaunchDisk {
  readonly name: string;
  /** Absolute path on the host: a regular file or a block device. */
  readonly path: string;
  readonly format: 'raw' | 'qcow2';
  readonly readonly: boolean;
  /** What a qcow2 image stands on, the next one first. */
  readonly backing: readonly { readonly path: string; readonly format: 'raw' | 'qcow2' }[];
  /** The size that the guest sees; of an image file that is written to. Unit: MiB. */
  readonly sizeMib?: number | undefined;
}

/** Limits of one guest, nothing left open. */
export interface LaunchLimits {
  /** The guest's memory and QEMU's own. Unit: MiB. */
  readonly memoryMib: number;
  readonly cpuPercent: number;
  readonly tasks: number;
  readonly openFiles: number;
  /** Unit: MiB per second; `undefined`: no limit. */
  readonly ioReadMibPerSecond: number | undefined;
  readonly ioWriteMibPerSecond: number | undefined;
}

export interface QemuConfinement {
  readonly chroot: 'run-with' | 'option';
  /** `name`: `-runas` with the name of the user, which then must have one; it takes no numbers (QEMU before 2.12). */
  readonly user: 'run-with' | 'option' | 'name';
}

/** Who a guest runs as: what its lease file says. */
export interface GuestLease {
  readonly domid: number;
  readonly uid: number;
  readonly gid: number;
  /** The uid is shared with other guests: no reaping by uid, no limit on the number of its processes. */
  readonly shared: boolean;
}

/** What the evidence of a guest is measured against. */
export interface IsolationExpectation {
  readonly guest: string;
  readonly uid: number;
  readonly gid: number;
  /** Other guests run as this uid too: that nobody else does is then not to be had. */
  readonly sharedUser: boolean;
  readonly loggerUid: number;
  readonly loggerGid: number;
  readonly chroot: string;
  /** The directory of the guest's FIFOs and that of its logs: open files may lie there. */
  readonly runDirectory: string;
  readonly logDirectory: string;
  /** Soft and hard limit by name (see `RlimitName`). */
  readonly rlimits: Readonly<Record<string, number>>;
  /** Names below the private /dev, e.g. `null`, `kvm`, `vfio/12`. */
  readonly deviceNodes: readonly string[];
  /** Those of them that the definition asks for: QEMU may hold them open. */
  readonly devices: readonly string[];
  /** As in `LaunchPlan`. */
  readonly hostDevMounts: boolean;
  /** How many images its disks are and stand on. */
  readonly images: number;
  /** Those of them that QEMU opens by their path: its root shows them. */
  readonly imagesByPath: readonly string[];
  /** As in `LaunchPlan`. */
  readonly sharedMemoryMib: number;
  readonly network: LaunchPlan['network'];
  readonly limits: LaunchLimits;
  /** As in `LaunchPlan`. */
  readonly shares: readonly LaunchShare[];
  readonly qemuBinary: string;
  readonly requests: LayerRequests;
  /** Layers that this host can never show to be effective, with the reason: there `unproven` is as expected. */
  readonly unprovable: Readonly<Partial<Record<LayerEvidence['layer'], string>>>;
  /** What is wrong with the security module's profiles that the host has in its kernel; `undefined`: nothing that can be seen. */
  readonly profileFault: string | undefined;
  /** Device and inode of the QEMU binary the host has now, decimal as `stat -c '%d %i'` prints them. */
  readonly qemuDevice: number;
  readonly qemuInode: number;
  /** Of a guest of xl's alone. */
  readonly domain?: DomainExpectation;
}

/** What Xen has of a guest that xl runs. */
export interface DomainExpectation {
  readonly uuid: string;
  /** `undefined`: it has no domain now. */
  readonly domid: number | undefined;
  /** xenstore's word. */
  readonly deviceModelPid: number | undefined;
}

/** Device nodes of every guest's private /dev; `kvm` comes with the accelerator. */
export const baseDeviceNodes = ['full', 'null', 'ptmx', 'random', 'urandom', 'zero'] as const;

/** Each once: a definition may ask for what the guest has anyway. */
export function deviceNodesOf(plan: Pick<LaunchPlan, 'usesKvm' | 'devices'>): readonly string[] {
  return [...new Set([...baseDeviceNodes, ...(plan.usesKvm ? ['kvm'] : []), ...plan.devices])];
}

/** Whether one of these names below /dev is that of a device that is passed through. */
export function usesVfio(devices: readonly string[]): boolean {
  return devices.some((name) => name.startsWith('vfio/'));
}
