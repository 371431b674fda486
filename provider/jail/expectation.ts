import { defaultRoots, type HostRoots } from '../model/paths.ts';
import { imageCount, imagesByPath } from './disks.ts';
import { deviceNodesOf, type GuestLease, type IsolationExpectation, type LaunchPlan } from './launch-plan.ts';
import { guestPlaces } from './places.ts';
import { rlimitValues } from './rlimits.ts';

export interface HostIdentities {
  readonly qemuDevice: number;
  readonly qemuInode: number;
  readonly loggerUid: number;
  readonly loggerGid: number;
  readonly unprovable: IsolationExpectation['unprovable'];
  /** As in `IsolationExpectation`. @default nothing */
  readonly profileFault?: string | undefined;
}

/** The expectation that follows from a plan, the guest's lease and what the host is. */
export function isolationExpectation(
  plan: LaunchPlan,
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
    devices: plan.devices,
    hostDevMounts: plan.hostDevMounts,
    images: imageCount(plan.disks),
    imagesByPath: imagesByPath(plan.disks),
    sharedMemoryMib: plan.sharedMemoryMib,
    network: plan.network,
    limits: plan.limits,
    shares: plan.shares,
    qemuBinary: plan.qemuBinary,
    requests: plan.requests,
    unprovable: host.unprovable,
    profileFault: host.profileFault,
    qemuDevice: host.qemuDevice,
    qemuInode: host.qemuInode,
  };
}
