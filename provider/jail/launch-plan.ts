import { defaultRoots, type HostRoots } from '../model/paths.ts';
import { guestPlaces } from './places.ts';
import { rlimitValues } from './rlimits.ts';

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
  /** Unit: KiB. Kept as two segments of half each. */
  readonly serialLogMaxKib: number;
  /** Zero: the guest's power button is not pressed, QEMU is ended at once. */
  readonly shutdownTimeoutSeconds: number;
  readonly restartPolicy: 'never' | 'on_crash';
}

export interface QemuConfinement {
  readonly chroot: 'run-with' | 'option';
  readonly user: 'run-with' | 'option';
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
  /** Names below the private /dev, e.g. `null`, `kvm`. */
  readonly deviceNodes: readonly string[];
  /** Device and inode of the QEMU binary the host has now, decimal as `stat -c '%d %i'` prints them. */
  readonly qemuDevice: number;
  readonly qemuInode: number;
}

export interface HostIdentities {
  readonly qemuDevice: number;
  readonly qemuInode: number;
  readonly loggerUid: number;
  readonly loggerGid: number;
}

/** Device nodes of every guest's private /dev; `kvm` comes with the accelerator. */
export const baseDeviceNodes = ['full', 'null', 'ptmx', 'random', 'urandom', 'zero'] as const;

export function deviceNodesOf(plan: Pick<LaunchPlan, 'usesKvm'>): readonly string[] {
  return plan.usesKvm ? [...baseDeviceNodes, 'kvm'] : baseDeviceNodes;
}

/** The expectation that follows from a plan, the guest's lease and what the host is. */
export function isolationExpectation(
  plan: Pick<LaunchPlan, 'guest' | 'vcpus' | 'usesKvm'>,
  lease: Pick<GuestLease, 'uid' | 'gid' | 'shared'>,
  host: HostIdentities,
  roots: HostRoots = defaultRoots,
): IsolationExpectation {
  const places = guestPlaces(plan.guest, roots);
  return {
    guest: plan.guest,
    uid: lease.uid,
    gid: lease.gid,
    sharedUser: lease.shared,
    loggerUid: host.loggerUid,
    loggerGid: host.loggerGid,
    chroot: places.chroot,
    runDirectory: places.runDirectory,
    logDirectory: places.logDirectory,
    rlimits: rlimitValues(plan, lease.shared),
    deviceNodes: deviceNodesOf(plan),
    qemuDevice: host.qemuDevice,
    qemuInode: host.qemuInode,
  };
}
