import { defaultRoots, type HostRoots, unitDirectory } from '../model/paths.ts';
import { guestPlaces } from './places.ts';

/** Names of what belongs to the share `tag` of a guest begin so; a tag has no slash, blank or colon. */
export const shareUnitPrefix = (guest: string): string => `stockade-share-${guest}:`;

/** Listens for QEMU while the guest starts, and is over once QEMU has connected. */
export const shareSocketUnit = (guest: string, tag: string): string =>
  `${shareUnitPrefix(guest)}${tag}.socket`;

/** The helper's unit; of a proxy's the template, of which systemd makes an instance for the connection. */
export function shareServiceUnit(guest: string, tag: string, kind: 'proxy' | 'virtiofs'): string {
  return `${shareUnitPrefix(guest)}${tag}${kind === 'proxy' ? '@' : ''}.service`;
}

export const unitPath = (unit: string): string => `${unitDirectory}/${unit}`;

/** Absolute paths on the host of what belongs to the shares of one guest. */
interface SharePlaces {
  /** The script that starts the helpers; mode 0700. */
  readonly script: string;
  /** Where QEMU connects to. By number: a socket's path may have 107 bytes, guest and tag take up to 94. */
  readonly socket: string;
  /** Device and inode of the directory as the start found it. */
  readonly record: string;
  /** Where a helper's root is put together; empty outside its mount namespace. */
  readonly view: string;
}

/** @param index the share's number among the guest's */
export function sharePlaces(guest: string, index: number, roots: HostRoots = defaultRoots): SharePlaces {
  const { stateDirectory, runDirectory } = guestPlaces(guest, roots);
  return {
    script: `${stateDirectory}/shares`,
    socket: `${runDirectory}/share-${index}`,
    record: `${runDirectory}/share-${index}.source`,
    view: `${runDirectory}/share-${index}.view`,
  };
}

/** Where the export is in the root of its helper, and each share that QEMU serves itself in QEMU's. */
export const exportPlace = '/export';
export const localSharePlace = (index: number): string => `/share/${index}`;

/** Where distributions have virtiofsd, the Rust one before that of QEMU. */
export const virtiofsdPlaces = [
  '/usr/libexec/virtiofsd',
  '/usr/lib/qemu/virtiofsd',
  '/usr/lib/virtiofsd',
  '/usr/bin/virtiofsd',
] as const;
export const proxyPlaces = [
  '/usr/lib/qemu/virtfs-proxy-helper',
  '/usr/libexec/virtfs-proxy-helper',
  '/usr/bin/virtfs-proxy-helper',
  // where QEMU's own installation puts it, and beside emulators in /usr/local
  '/usr/local/libexec/virtfs-proxy-helper',
  '/usr/local/bin/virtfs-proxy-helper',
] as const;
export const helperPrograms = [...virtiofsdPlaces, ...proxyPlaces] as const;
