import { descriptorDisks } from '../../jail/disk-sizes.ts';
import type { LaunchDisk } from '../../jail/launch-plan.ts';
import { isBlockDevicePath } from '../../spec/disk-rules.ts';
import type { GuestSpec } from '../../spec/guest.ts';

type Json = { readonly [key: string]: string | boolean | null | Json };

/**
 * A guest's disks. Formats are named, never probed; below each image there is what the definition says or, by `null`, nothing
 * (since QEMU 2.10): names in an image's own header are not followed. What the launcher has opened comes by descriptor, the rest by path, to be read only.
 * Image locking stays on: it works on descriptors, since each guest's are opened anew.
 */
export function diskArguments(
  disks: readonly LaunchDisk[],
  machine: GuestSpec['machine'],
): readonly string[] {
  const descriptors = descriptorDisks(disks);
  return disks.flatMap((disk, index) => {
    const node = `disk${index}`;
    const descriptor = descriptors.get(disk);
    const path = descriptor === undefined ? disk.path : `/dev/fdset/${descriptor}`;
    const below = disk.backing.map((image, depth) => ({ ...image, node: `${node}-backing${depth}` }));
    const driver = isBlockDevicePath(disk.path) ? 'host_device' : 'file';
    return [
      ...(descriptor === undefined ? [] : ['-add-fd', `fd=${descriptor},set=${descriptor},opaque=${node}`]),
      ...below
        .map((image, depth) =>
          nodes(image, image.node, below[depth + 1]?.node, protocol('file', image.path, true)),
        )
        .reverse()
        .flat(),
      ...nodes(disk, node, below[0]?.node, protocol(driver, path, disk.readonly)),
      ...['-device', `${device(machine)},drive=${node},serial=${disk.name}`],
    ];
  });
}

interface Image {
  readonly format: LaunchDisk['format'];
  readonly readonly?: boolean;
}

/**
 * Through the host's page cache, each flush of the guest's passed on: what it has flushed is on the disk. `threads`: native AIO
 * needs direct access, and many hosts forbid io_uring.
 */
function protocol(driver: 'file' | 'host_device', filename: string, readonly: boolean): Json {
  return {
    driver,
    filename,
    aio: 'threads',
    locking: 'auto',
    cache: { direct: false, 'no-flush': false },
    'read-only': readonly,
    discard: 'unmap',
  };
}

function nodes(image: Image, node: string, backing: string | undefined, file: Json): readonly string[] {
  const format: Json = {
    driver: image.format,
    'node-name': node,
    file: `${node}-file`,
    // a raw image has nothing below it, and QEMU knows no such option for it
    ...(image.format === 'qcow2' ? { backing: backing ?? null } : {}),
    'read-only': image.readonly ?? true,
    discard: 'unmap',
  };
  return [
    ...['-blockdev', JSON.stringify({ ...file, 'node-name': `${node}-file` })],
    ...['-blockdev', JSON.stringify(format)],
  ];
}

/** microvm has no PCI bus. */
function device(machine: GuestSpec['machine']): string {
  return machine === 'microvm' ? 'virtio-blk-device' : 'virtio-blk-pci';
}
