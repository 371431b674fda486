import { guestPlaces } from '../../jail/places.ts';
import { defaultRoots, type HostRoots } from '../../model/paths.ts';
import { sha256 } from '../../model/sha256.ts';
import { domainUuid, type GuestIdentity, xlConfig } from '../../toolstacks/xl/config.ts';
import type { XenCapabilities, XenDeviceModel } from '../../toolstacks/xl/capabilities.types.ts';
import { xlLauncherScript } from '../../toolstacks/xl/launcher.ts';
import type { XlPlan } from '../../toolstacks/xl/plan.ts';
import { xlDropIn } from '../../toolstacks/xl/unit.ts';
import type { HostCapabilities } from '../../toolstacks/qemu/capabilities.types.ts';
import type { StoredGuest } from './desired.ts';
import { launchLimits } from './limits.ts';
import { pathOnHost, type RenderedGuest } from './render.ts';
import { layerRequests } from './requests.ts';

/** The files an xl guest has on its host, as they should be. */
export interface RenderedXlGuest extends Omit<RenderedGuest, 'toolstack' | 'plan'> {
  readonly toolstack: 'xl';
  readonly plan: XlPlan;
}

/** A host whose guests are xl's, and that has what they need. */
export type HostWithXen = HostCapabilities & {
  readonly toolstack: 'xl';
  readonly xen: XenCapabilities & { readonly deviceModel: XenDeviceModel };
};

/** What the device model and xl need beside the guest's memory, which is Xen's. Unit: MiB. */
const xlOverheadMib = 256;

/** Renders a guest for a host's Xen. Equal input, equal bytes. */
export function renderXlGuest(
  guest: StoredGuest & GuestIdentity,
  host: HostWithXen,
  roots: HostRoots = defaultRoots,
): RenderedXlGuest {
  const plan = launchXlPlan(guest, host, roots);
  const launcher = xlLauncherScript(plan, roots);
  const dropIn = xlDropIn(plan);
  return {
    toolstack: 'xl',
    ...{ plan, launcher, launcherSha256: sha256(launcher), dropIn, dropInSha256: sha256(dropIn) },
    shareFiles: [],
  };
}

/** How a guest is to be started, without the files that say so: all that its evidence is measured against. */
export function launchXlPlan(
  guest: StoredGuest & GuestIdentity,
  host: HostWithXen,
  roots: HostRoots = defaultRoots,
): XlPlan {
  const { deviceModel } = host.xen;
  const uuid = domainUuid(guest);
  const config = xlConfig({
    ...guest,
    uuid,
    serial: `${guestPlaces(guest.name, roots).runDirectory}/serial`,
  });
  const memoryMib = guest.limits.memoryOverheadMib ?? xlOverheadMib;
  return {
    guest: guest.name,
    uuid,
    config,
    kernel: pathOnHost(guest.kernel, roots),
    initrd: guest.initrd === undefined ? undefined : pathOnHost(guest.initrd, roots),
    deviceModel,
    scheme: guest.scheme,
    vcpus: guest.vcpus,
    requests: layerRequests(guest.isolation, host),
    disks: guest.disks,
    shares: [],
    limits: { ...launchLimits(guest), memoryMib },
    serialLogMaxKib: guest.serialLogMaxKib,
    shutdownTimeoutSeconds: guest.shutdownTimeoutSeconds,
    restartPolicy: guest.restartPolicy,
  };
}
