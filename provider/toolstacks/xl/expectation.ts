import type { HostIdentities } from '../../jail/expectation.ts';
import { deviceNodesOf, type GuestLease, type IsolationExpectation } from '../../jail/launch-plan.ts';
import { guestPlaces } from '../../jail/places.ts';
import { defaultRoots, type HostRoots } from '../../model/paths.ts';
import type { XenDomain } from './domains.ts';
import { type XlPlan, xenDeviceNodes } from './plan.ts';

/** libxl's limits of a restricted device model, soft and hard. Units: bytes, but for `locks`. Source: Xen's qemu-deprivilege design. */
const libxlLimits = { fsize: 262_144, core: 0, msgqueue: 0, memlock: 0, locks: 0 } as const;

/** Where libxl makes the root of a restricted device model. */
export function deviceModelRoot(domid: number): string {
  return `/run/xen/qemu-root-${domid}`;
}

/** A guest's domain among those of the host. */
export function domainOf(uuid: string, domains: readonly XenDomain[]): XenDomain | undefined {
  return domains.find((domain) => domain.uuid === uuid);
}

/** The ids that a guest's device model has in this domain: in a range they follow the domid, all others are leased. */
export function idsInDomain(
  { domid, uid, gid, shared }: GuestLease,
  isRange: boolean,
  domain: Pick<XenDomain, 'domid'> | undefined,
): { readonly uid: number; readonly gid: number } {
  if (shared || !isRange || domain === undefined) return { uid, gid };
  // libxl takes the group of the range's user itself
  return { uid: uid - domid + domain.domid, gid: uid - domid };
}

/** What the evidence of a guest of xl's is measured against: the plan, its lease, and the domain it has now. */
export function xlExpectation(
  plan: XlPlan,
  lease: GuestLease,
  isRange: boolean,
  domain: XenDomain | undefined,
  host: Omit<HostIdentities, 'qemuDevice' | 'qemuInode'>,
  roots: HostRoots = defaultRoots,
): IsolationExpectation {
  const places = guestPlaces(plan.guest, roots);
  return {
    guest: plan.guest,
    ...idsInDomain(lease, isRange, domain),
    sharedUser: lease.shared,
    loggerUid: host.loggerUid,
    loggerGid: host.loggerGid,
    chroot: deviceModelRoot(domain?.domid ?? 0),
    runDirectory: places.runDirectory,
    logDirectory: places.logDirectory,
    rlimits: libxlLimits,
    deviceNodes: deviceNodesOf({ usesKvm: false, devices: xenDeviceNodes }),
    devices: [],
    hostDevMounts: false,
    images: 0,
    imagesByPath: [],
    sharedMemoryMib: 0,
    network: 'none',
    limits: plan.limits,
    shares: plan.shares,
    qemuBinary: plan.deviceModel.path,
    requests: plan.requests,
    unprovable: host.unprovable,
    profileFault: undefined,
    qemuDevice: plan.deviceModel.device,
    qemuInode: plan.deviceModel.inode,
    domain: { uuid: plan.uuid, domid: domain?.domid, deviceModelPid: domain?.deviceModelPid },
  };
}
