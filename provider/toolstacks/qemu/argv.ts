import { serialDescriptor } from '../../jail/open-files.ts';
import { guestPlaces } from '../../jail/places.ts';
import { qemuOptionValue } from '../../jail/qemu-option.ts';
import { defaultRoots, type HostRoots } from '../../model/paths.ts';
import type { GuestSpec } from '../../spec/guest.ts';
import type { QemuCapabilities } from './capabilities.types.ts';

/** What of a guest QEMU's command line depends on. */
export type QemuGuest = Pick<
  GuestSpec,
  'name' | 'memoryMib' | 'vcpus' | 'machine' | 'accelerator' | 'commandLine'
>;

/** Absolute paths on the host. */
export interface GuestBootFiles {
  readonly kernel: string;
  readonly initrd?: string | undefined;
}

const serialSet = 1;

/**
 * QEMU's arguments but for those that confine it (the launcher adds user, chroot and sandbox). What the guest prints goes to
 * a descriptor opened beforehand; the monitor is on FIFOs. A guest that reboots reboots, one that powers off ends QEMU.
 */
export function qemuArguments(
  guest: QemuGuest,
  files: GuestBootFiles,
  _capabilities: Pick<QemuCapabilities, 'version'>,
  roots: HostRoots = defaultRoots,
): readonly string[] {
  return [
    ...['-name', keyed('guest', guest.name)],
    ...['-no-user-config', '-nodefaults', '-display', 'none'],
    ...['-msg', 'timestamp=on'],
    ...[
      '-machine',
      `${qemuOptionValue(guest.machine)},${keyed('accel', guest.accelerator)},dump-guest-core=off`,
    ],
    ...['-cpu', guest.accelerator === 'kvm' ? 'host' : 'max'],
    ...['-smp', `cpus=${guest.vcpus}`],
    ...['-m', `size=${guest.memoryMib}M`],
    ...['-add-fd', `fd=${serialDescriptor},set=${serialSet},opaque=serial`],
    ...['-chardev', `file,id=serial0,path=/dev/fdset/${serialSet},append=on`, '-serial', 'chardev:serial0'],
    ...['-chardev', `pipe,id=qmp,${keyed('path', guestPlaces(guest.name, roots).qmp)}`],
    ...['-mon', 'chardev=qmp,mode=control'],
    ...['-kernel', files.kernel],
    ...(files.initrd === undefined ? [] : ['-initrd', files.initrd]),
    ...(guest.commandLine === undefined || guest.commandLine === '' ? [] : ['-append', guest.commandLine]),
  ];
}

function keyed(key: string, value: string): string {
  return `${key}=${qemuOptionValue(value)}`;
}

/** How this QEMU wants to be told its chroot and user: the newer option where it knows it. */
export function qemuConfinement(capabilities: Pick<QemuCapabilities, 'runWithChroot' | 'runWithUser'>): {
  readonly chroot: 'run-with' | 'option';
  readonly user: 'run-with' | 'option';
} {
  return {
    chroot: capabilities.runWithChroot ? 'run-with' : 'option',
    user: capabilities.runWithUser ? 'run-with' : 'option',
  };
}
