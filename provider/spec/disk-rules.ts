import type { z } from 'zod';

interface Disk {
  readonly name: string;
  readonly path: string;
  readonly format: 'raw' | 'qcow2';
  readonly readonly: boolean;
  readonly backing?: readonly { readonly path: string; readonly format: 'raw' | 'qcow2' }[] | undefined;
  readonly sizeMib?: number | undefined;
}

/**
 * Disks that the launcher opens and passes as descriptors: what a guest writes to, and block devices. A POSIX shell has ten
 * descriptors; 0 to 3 are stdin, stdout, stderr and the serial console.
 */
export const maxDescriptorDisks = 6;

/** Longer serial numbers are cut by virtio-blk (VIRTIO_BLK_ID_BYTES). */
const maxSerialLength = 20;

/** A path below /dev is a block device's, every other one a file's; the launch refuses what is neither. */
export function isBlockDevicePath(path: string): boolean {
  return path.startsWith('/dev/');
}

/** Whether the launcher opens the disk for QEMU; other images QEMU opens by their path, read-only. */
export function isDescriptorDisk(disk: Pick<Disk, 'path' | 'readonly'>): boolean {
  return !disk.readonly || isBlockDevicePath(disk.path);
}

/** What a disk may be, so that its guest cannot reach beyond it. */
export function imageRules(disks: readonly Disk[], context: z.RefinementCtx): void {
  const blame = (path: PropertyKey[], message: string) =>
    context.addIssue({ code: 'custom', path, message, input: disks });
  const opened = disks.filter(isDescriptorDisk);
  if (opened.length > maxDescriptorDisks) {
    blame(
      [],
      `may be written to or be block devices in at most ${maxDescriptorDisks} cases, not ${opened.length}: each takes a descriptor of the launcher's shell`,
    );
  }
  disks.forEach((disk, index) => {
    if (disk.name.length > maxSerialLength)
      blame(
        [index, 'name'],
        `may have ${maxSerialLength} characters: a disk's serial number has no room for more`,
      );
    sizeRule(disk, index, blame);
    chainRules(disk, index, blame);
  });
}

type Blame = (path: PropertyKey[], message: string) => void;

function sizeRule(disk: Disk, index: number, blame: Blame): void {
  const wanted = !disk.readonly && !isBlockDevicePath(disk.path);
  if (wanted && disk.sizeMib === undefined)
    blame([index, 'sizeMib'], 'is required of a file that the guest writes to: how large it may grow');
}

function chainRules(disk: Disk, index: number, blame: Blame): void {
  const backing = disk.backing ?? [];
  const chain = [disk, ...backing];
  chain.slice(0, -1).forEach((image, depth) => {
    if (image.format === 'raw')
      blame([index, 'backing', depth], 'is below a raw image: only qcow2 images stand on others');
  });
  backing.forEach((image, depth) => {
    if (isBlockDevicePath(image.path))
      blame([index, 'backing', depth, 'path'], 'must be a file, not a block device');
  });
}
