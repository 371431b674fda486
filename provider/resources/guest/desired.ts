import type { LaunchDisk } from '../../jail/launch-plan.ts';
import type { Address } from '../../model/address.ts';
import type { GuestSpec, LimitsSpec } from '../../spec/guest.ts';
import type { ShareSpec } from '../../spec/share.ts';
import type { LayerName, SwitchableLayer } from '../../model/evidence.ts';
import { sha256 } from '../../model/sha256.ts';
import type { UserScheme } from '../../spec/qemu-users.ts';

/** A kernel or initial RAM disk: by content where we upload it, by path where the host has it. */
export type GuestFile =
  | { readonly kind: 'digest'; readonly sha256: string; readonly bytes: number }
  | { readonly kind: 'host'; readonly path: string };

export type GuestDisk = LaunchDisk;

/** A share as it was asked for; which driver serves it is the host's to say (`launchShares`). */
export type GuestShare = ShareSpec;

/** Both lists are sorted. */
export interface GuestIsolation {
  readonly off: readonly SwitchableLayer[];
  readonly mayBeMissing: readonly LayerName[];
  readonly hostDevMounts: boolean;
}

/** What a definition that says nothing of these things asks for. */
export const plainGuest = {
  disks: [],
  sharedMemory: false,
  shares: [],
  network: 'none',
  devices: [],
  limits: {},
  isolation: { off: [], mayBeMissing: [], hostDevMounts: false },
} as const satisfies Partial<GuestDesired>;

/** What is asked for of one guest: the spec without anything left open. Equal content, equal digest. */
export interface GuestDesired {
  readonly host: string;
  readonly name: string;
  /** The owner written on the record. */
  readonly fleet: string;
  readonly scheme: UserScheme;
  readonly memoryMib: number;
  readonly vcpus: number;
  readonly machine: GuestSpec['machine'];
  readonly accelerator: GuestSpec['accelerator'];
  readonly kernel: GuestFile;
  readonly initrd: GuestFile | undefined;
  readonly commandLine: string;
  readonly disks: readonly GuestDisk[];
  readonly sharedMemory: boolean;
  readonly shares: readonly GuestShare[];
  readonly network: GuestSpec['network'];
  /** Paths below /dev, sorted. */
  readonly devices: readonly string[];
  /** What was set; the rest is derived. */
  readonly limits: LimitsSpec;
  readonly isolation: GuestIsolation;
  readonly serialLogMaxKib: number;
  readonly restartPolicy: GuestSpec['restartPolicy'];
  readonly shutdownTimeoutSeconds: number;
}

/** Joins a validated spec with what only I/O can tell: the files' digests. */
export function guestDesired(
  spec: GuestSpec,
  fleet: string,
  files: { readonly kernel: GuestFile; readonly initrd: GuestFile | undefined },
): GuestDesired {
  return {
    host: spec.host,
    name: spec.name,
    fleet,
    scheme: spec.users.slice(spec.users.indexOf('/') + 1) as UserScheme,
    memoryMib: spec.memoryMib,
    vcpus: spec.vcpus,
    machine: spec.machine,
    accelerator: spec.accelerator,
    kernel: files.kernel,
    initrd: files.initrd,
    commandLine: spec.commandLine ?? '',
    disks: (spec.disks ?? []).map((disk) => ({ ...disk, backing: disk.backing ?? [] })),
    sharedMemory: spec.sharedMemory,
    shares: spec.shares ?? [],
    network: spec.network,
    devices: [...(spec.devices ?? [])].sort(),
    limits: spec.limits ?? {},
    isolation: guestIsolation(spec.isolation),
    serialLogMaxKib: spec.serialLogMaxKib,
    restartPolicy: spec.restartPolicy,
    shutdownTimeoutSeconds: spec.shutdownTimeoutSeconds,
  };
}

/** Departures from full isolation, nothing left open. */
export function guestIsolation(spec: GuestSpec['isolation']): GuestIsolation {
  return {
    off: [...(spec?.off ?? [])].sort(),
    mayBeMissing: [...(spec?.mayBeMissing ?? [])].sort(),
    hostDevMounts: spec?.hostDevMounts ?? false,
  };
}

export function guestAddress(guest: { readonly host: string; readonly name: string }): Address {
  return { kind: 'guest', host: guest.host, name: guest.name };
}

/** The part of the definition that is stored in the host's record, so that import can give it back. */
export type StoredGuest = Omit<GuestDesired, 'host' | 'name' | 'fleet'>;

const ranges = (map: GuestShare['uidMap']) => map?.map(({ guest, host, count }) => ({ guest, host, count }));

/** With its keys in a fixed order. */
function storedShare(share: GuestShare): GuestShare {
  const { tag, source, readonly, driver, writers, maxFileMib } = share;
  const { securityModel, cache, announceSubmounts } = share;
  const [uidMap, gidMap] = [ranges(share.uidMap), ranges(share.gidMap)];
  return {
    ...{ tag, source, readonly, driver, writers, maxFileMib },
    ...{ securityModel, cache, announceSubmounts, uidMap, gidMap },
  };
}

/** The definition as stored: JSON with a fixed order of keys, in base64 (records hold no blanks). */
export function storeGuest(guest: GuestDesired): string {
  const stored: Omit<StoredGuest, 'shares'> & { readonly shares?: StoredGuest['shares'] } = {
    scheme: guest.scheme,
    memoryMib: guest.memoryMib,
    vcpus: guest.vcpus,
    machine: guest.machine,
    accelerator: guest.accelerator,
    kernel: guest.kernel,
    initrd: guest.initrd,
    commandLine: guest.commandLine,
    disks: guest.disks.map(({ name, path, format, readonly, backing, sizeMib }) => ({
      name,
      path,
      format,
      readonly,
      backing: backing.map((image) => ({ path: image.path, format: image.format })),
      sizeMib,
    })),
    sharedMemory: guest.sharedMemory,
    // last among equals: a record of a guest without shares is what it was before there were any
    ...(guest.shares.length === 0 ? {} : { shares: guest.shares.map(storedShare) }),
    network: guest.network,
    devices: guest.devices,
    limits: {
      memoryOverheadMib: guest.limits.memoryOverheadMib,
      cpuPercent: guest.limits.cpuPercent,
      tasks: guest.limits.tasks,
      openFiles: guest.limits.openFiles,
      ioReadMibPerSecond: guest.limits.ioReadMibPerSecond,
      ioWriteMibPerSecond: guest.limits.ioWriteMibPerSecond,
    },
    isolation: {
      off: guest.isolation.off,
      mayBeMissing: guest.isolation.mayBeMissing,
      hostDevMounts: guest.isolation.hostDevMounts,
    },
    serialLogMaxKib: guest.serialLogMaxKib,
    restartPolicy: guest.restartPolicy,
    shutdownTimeoutSeconds: guest.shutdownTimeoutSeconds,
  };
  return Buffer.from(JSON.stringify(stored), 'utf8').toString('base64');
}

/** Names what is asked for: written on the record, compared at the next observation. */
export function guestDigest(guest: GuestDesired): string {
  return sha256(storeGuest(guest));
}

/** The digests of the files it has uploaded: a file goes when no record names it any more. */
export function uploadedDigests(guest: Pick<GuestDesired, 'kernel' | 'initrd'>): readonly string[] {
  return [guest.kernel, guest.initrd].flatMap((file) => (file?.kind === 'digest' ? [file.sha256] : []));
}
