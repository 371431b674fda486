import type { HostRoots } from '../../model/paths.ts';
import type { HostCapabilities } from '../../toolstacks/qemu/capabilities.types.ts';
import type { GuestIdentity } from '../../toolstacks/xl/config.ts';
import type { StoredGuest } from './desired.ts';
import { type HostWithQemu, type RenderedGuest, renderGuest, withQemu } from './render.ts';
import { type HostWithXen, type RenderedXlGuest, renderXlGuest } from './render-xl.ts';

/** A guest's files, by whichever toolstack runs it. */
export type Rendered = RenderedGuest | RenderedXlGuest;

/** A host that has what its toolstack needs. */
export type ReadyHost = (HostWithQemu & { readonly toolstack?: 'qemu' }) | HostWithXen;

/** The host, where its toolstack can run guests. */
export function readyHost(host: HostCapabilities): ReadyHost | undefined {
  const { toolstack = 'qemu', xen } = host;
  if (toolstack === 'qemu') {
    const ready = withQemu(host);
    return ready === undefined ? undefined : { ...ready, toolstack };
  }
  const deviceModel = xen?.deviceModel;
  return xen === undefined || deviceModel === undefined
    ? undefined
    : { ...host, toolstack, xen: { ...xen, deviceModel } };
}

/** Renders a guest for its host's toolstack. */
export function renderFor(guest: StoredGuest & GuestIdentity, host: ReadyHost, roots?: HostRoots): Rendered {
  return host.toolstack === 'xl' ? renderXlGuest(guest, host, roots) : renderGuest(guest, host, roots);
}
