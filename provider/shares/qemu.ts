import type { LaunchPlan } from '../jail/launch-plan.ts';
import { qemuOptionValue } from '../jail/qemu-option.ts';
import { localSharePlace, sharePlaces } from '../jail/share-places.ts';
import { defaultRoots, type HostRoots } from '../model/paths.ts';

/** A device by what it is on: a microvm has no PCI bus. */
export function deviceOn(machine: string, name: string): string {
  return `${name}-${machine === 'microvm' ? 'device' : 'pci'}`;
}

/** QEMU's arguments for a guest's shares. It connects to helpers while it is still root, before it has a chroot. */
export function shareArguments(
  guest: string,
  { shares }: Pick<LaunchPlan, 'shares'>,
  machine: string,
  roots: HostRoots = defaultRoots,
): readonly string[] {
  // virtio as it was before 1.0, which a microvm has unless told otherwise, virtiofsd does not speak
  const modern = machine === 'microvm' && shares.some(({ driver }) => driver.kind === 'virtiofs');
  const devices = shares.flatMap((share, index) => {
    const id = `share${index}`;
    const tag = qemuOptionValue(share.tag);
    const socket = qemuOptionValue(sharePlaces(guest, index, roots).socket);
    const readonly = share.readonly ? ',readonly=on' : '';
    switch (share.driver.kind) {
      case 'virtiofs':
        return [
          ...['-chardev', `socket,id=${id},path=${socket}`],
          ...['-device', `${deviceOn(machine, 'vhost-user-fs')},chardev=${id},tag=${tag}`],
        ];
      case 'proxy':
        return [
          ...['-fsdev', `proxy,id=${id},socket=${socket}${readonly}`],
          ...['-device', `${deviceOn(machine, 'virtio-9p')},fsdev=${id},mount_tag=${tag}`],
        ];
      case 'local':
        return [
          ...[
            '-fsdev',
            `local,id=${id},path=${localSharePlace(index)},security_model=${share.driver.securityModel},multidevs=remap${readonly}`,
          ],
          ...['-device', `${deviceOn(machine, 'virtio-9p')},fsdev=${id},mount_tag=${tag}`],
        ];
    }
  });
  return modern ? ['-global', 'virtio-mmio.force-legacy=false', ...devices] : devices;
}
