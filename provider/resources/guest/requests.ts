import { describeAddress } from '../../model/address.ts';
import { type Diagnostic, problem } from '../../model/diagnostic.ts';
import type { LayerEvidence, LayerName, LayerRequest, LayerRequests } from '../../model/evidence.ts';
import { layerNames, xenLayer } from '../../model/evidence.ts';
import type { HostCapabilities } from '../../toolstacks/qemu/capabilities.types.ts';
import { uncheckedHandles } from '../../toolstacks/xl/handle-evidence.ts';
import { hasApparmor } from '../host/apparmor.ts';
import { type GuestDesired, guestAddress, type StoredGuest } from './desired.ts';
import { xlLayerObstacle } from './xl-obstacles.ts';

/** Why a host cannot give a layer; `undefined` where it can. */
export function layerObstacle(layer: LayerName, host: HostCapabilities): string | undefined {
  if (host.toolstack === 'xl') return xlLayerObstacle(layer, host);
  const { qemu } = host;
  switch (layer) {
    case 'seccomp':
      return qemu?.seccomp === true ? undefined : 'its QEMU was built without seccomp';
    case 'chroot':
      return qemu?.runWithChroot === true || qemu?.chrootOption === true
        ? undefined
        : 'its QEMU cannot change its root';
    case 'cgroup-namespace':
    case 'cgroup-limits':
      return host.cgroupVersion === undefined ? 'it has no control groups' : undefined;
    case 'lsm':
      return lsmObstacle(host);
    default:
      return undefined;
  }
}

function lsmObstacle(host: HostCapabilities): string | undefined {
  if (host.lsm.includes('apparmor')) {
    return hasApparmor(host)
      ? undefined
      : 'it has AppArmor, but no apparmor_parser of 3.0 or later that loads a profile (package apparmor)';
  }
  return host.lsm.includes('selinux')
    ? 'it has SELinux, for which Stockade has no policy'
    : 'it has no security module that Stockade has a profile for';
}

/** A layer whose absence is no error: it is asked for only where the host has it. */
export const whereTheHostHasIt: readonly LayerName[] = ['lsm'];

/** A host without AppArmor has none of it, nor has Xen; one that has and cannot use it lacks something that can be put right. */
function isForgiven(layer: LayerName, host: HostCapabilities): boolean {
  return whereTheHostHasIt.includes(layer) && (host.toolstack === 'xl' || !host.lsm.includes('apparmor'));
}

/** Layer by layer what is asked for on this host. A layer that is neither allowed to be missing nor given stays `on`: the plan refuses it. */
export function layerRequests(isolation: StoredGuest['isolation'], host: HostCapabilities): LayerRequests {
  const request = (layer: LayerName): LayerRequest => {
    if ((isolation.off as readonly LayerName[]).includes(layer)) return 'off';
    const forgiven = isForgiven(layer, host) || isolation.mayBeMissing.includes(layer);
    return forgiven && layerObstacle(layer, host) !== undefined ? 'missing' : 'on';
  };
  return Object.fromEntries(layerNames.map((layer) => [layer, request(layer)])) as LayerRequests;
}

/** Layers that are asked for and that this host cannot give: errors of the plan, and of Apply before it touches anything. */
export function layerObstacles(guest: GuestDesired, host: HostCapabilities): readonly Diagnostic[] {
  const requests = layerRequests(guest.isolation, host);
  const resource = describeAddress(guestAddress(guest));
  return layerNames.flatMap((layer) => {
    const reason = requests[layer] === 'on' ? layerObstacle(layer, host) : undefined;
    if (reason === undefined) return [];
    return [
      problem('layer-not-available', `${resource}: the host cannot give the layer ${layer}: ${reason}`, {
        host: guest.host,
        resource,
        path: ['isolation'],
        hint: `Put that right on the host or choose another. Or let the guest do without: isolation = { may_be_missing = [${JSON.stringify(layer)}] }; then plan and evidence say "missing".`,
      }),
    ];
  });
}

/** Layers that the definition lets be missing, or needs none, and that are. */
export function missingLayers(requests: LayerRequests): readonly LayerName[] {
  return layerNames.filter((layer) => requests[layer] === 'missing');
}

/** Layers that this host can never show to be effective, with the reason. */
export function unprovableLayers(
  host: HostCapabilities,
): Readonly<Partial<Record<LayerEvidence['layer'], string>>> {
  const wanted = ['memory', 'cpu', 'pids'];
  const absent = wanted.filter((name) => !host.cgroupControllers.includes(name));
  const unchecked = host.toolstack === 'xl' ? uncheckedHandles(host) : undefined;
  return {
    ...(absent.length === 0
      ? {}
      : { 'cgroup-limits': `the host does not enforce limits: no cgroup controller ${absent.join(', ')}` }),
    ...(unchecked === undefined ? {} : { [xenLayer]: `nothing tries them: ${unchecked}` }),
  };
}
