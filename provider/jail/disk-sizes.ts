import { isBlockDevicePath, isDescriptorDisk } from '../spec/disk-rules.ts';
import type { LaunchDisk } from './launch-plan.ts';

/** Where QEMU finds the first of its disks; 3 is the serial console. */
const firstDiskDescriptor = 4;

/** Descriptors of the disks that the launcher opens. */
export function descriptorDisks(disks: readonly LaunchDisk[]): ReadonlyMap<LaunchDisk, number> {
  return new Map(disks.filter(isDescriptorDisk).map((disk, index) => [disk, firstDiskDescriptor + index]));
}

const mib = 1_048_576;

/**
 * How large the file of a disk may become; `undefined` where the guest writes to no file. Unit: bytes. A raw image is as large
 * as what the guest sees. A full qcow2 image has tables beside its data: with the smallest clusters (512 bytes) and the widest entries (16 bytes
 * in L2 tables, 8 in refcount blocks) less than a sixteenth of it; headers, first-level tables and their copies while they grow fit into 64 MiB.
 * With 64 KiB clusters, QEMU's default, tables take 0.02 %.
 */
export function writableBytes(disk: LaunchDisk): number | undefined {
  if (disk.readonly || isBlockDevicePath(disk.path)) return undefined;
  const bytes = (disk.sizeMib ?? 0) * mib;
  return disk.format === 'raw' ? bytes : bytes + Math.ceil(bytes / 16) + 64 * mib;
}
