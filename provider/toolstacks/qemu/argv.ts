import { serialDescriptor } from '../../jail/open-files.ts';
import { guestPlaces } from '../../jail/places.ts';
import { qemuOptionValue } from '../../jail/qemu-option.ts';
import { defaultRoots, type HostRoots } from '../../model/paths.ts';
import type { LaunchDisk, QemuConfinement } from '../../jail/launch-plan.ts';
import type { GuestSpec } from '../../spec/guest.ts';
import { diskArguments } from './blockdev.ts';
import type { QemuCapabilities } from './capabilities.types.ts';
import { type MemoryCapabilities, memoryArguments, memoryProperty, sharedMemoryForm } from './memory.ts';

/** What of a guest QEMU's command line depends on. */
export interface QemuGuest
  extends Pick<GuestSpec, 'name' | 'memoryMib' | 'vcpus' | 'machine' | 'accelerator' | 'commandLine'> {
  readonly disks?: readonly LaunchDisk[];
  readonly sharedMemory?: boolean;
  readonly network?: GuestSpec['network'];
}

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
  capabilities: MemoryCapabilities,
  roots: HostRoots = defaultRoots,
): readonly string[] {
  // A QEMU that cannot share memory is an obstacle of the plan
  const shared =
    guest.sharedMemory === true ? (sharedMemoryForm(capabilities, guest.machine) ?? 'machine') : undefined;
  return [
    ...['-name', keyed('guest', guest.name)],
    ...['-no-user-config', '-nodefaults', '-display', 'none'],
    ...['-msg', 'timestamp=on'],
    ...[
      '-machine',
      `${qemuOptionValue(guest.machine)},${keyed('accel', guest.accelerator)},dump-guest-core=off${shared === undefined ? '' : memoryProperty(shared)}`,
    ],
    ...['-cpu', guest.accelerator === 'kvm' ? 'host' : 'max'],
    ...['-smp', `cpus=${guest.vcpus}`],
    ...['-m', `size=${guest.memoryMib}M`],
    ...(shared === undefined ? [] : memoryArguments(guest.memoryMib, shared)),
    ...['-add-fd', `fd=${serialDescriptor},set=${serialSet},opaque=serial`],
    ...['-chardev', `file,id=serial0,path=/dev/fdset/${serialSet},append=on`, '-serial', 'chardev:serial0'],
    ...['-chardev', `pipe,id=qmp,${keyed('path', guestPlaces(guest.name, roots).qmp)}`],
    ...['-mon', 'chardev=qmp,mode=control'],
    ...diskArguments(guest.disks ?? [], guest.machine),
    ...(guest.network === 'user' ? networkArguments(guest.machine) : []),
    ...['-kernel', files.kernel],
    ...(files.initrd === undefined ? [] : ['-initrd', files.initrd]),
    ...(guest.commandLine === undefined || guest.commandLine === '' ? [] : ['-append', guest.commandLine]),
  ];
}

function keyed(key: string, value: string): string {
  return `${key}=${qemuOptionValue(value)}`;
}

/** QEMU plays the network itself. Without a boot ROM: the guest boots from its kernel, and the file may not be there in QEMU's view. */
function networkArguments(machine: GuestSpec['machine']): readonly string[] {
  const device =
    machine === 'microvm' ? 'virtio-net-device,netdev=net0' : 'virtio-net-pci,netdev=net0,romfile=';
  return ['-netdev', 'user,id=net0', '-device', device];
}

/**
 * How this QEMU wants to be told its chroot and user: the newer option where it knows it. `name`: `-runas` that takes no numbers
 * (before 2.12).
 */
export function qemuConfinement(
  capabilities: Pick<QemuCapabilities, 'runWithChroot' | 'runWithUser' | 'runasNumeric'>,
): QemuConfinement {
  const { runWithChroot, runWithUser, runasNumeric } = capabilities;
  return {
    chroot: runWithChroot ? 'run-with' : 'option',
    user: runWithUser ? 'run-with' : runasNumeric ? 'option' : 'name',
  };
}
