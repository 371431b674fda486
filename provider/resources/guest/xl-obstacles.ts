import { describeAddress } from '../../model/address.ts';
import { caution, type Diagnostic, problem } from '../../model/diagnostic.ts';
import type { LayerName, layersWithoutXl } from '../../model/evidence.ts';
import { isBlockDevicePath } from '../../spec/disk-rules.ts';
import type { HostCapabilities } from '../../toolstacks/qemu/capabilities.types.ts';
import { domainUuid } from '../../toolstacks/xl/config.ts';
import type { XenDomain } from '../../toolstacks/xl/domains.ts';
import { uncheckedHandles } from '../../toolstacks/xl/handle-evidence.ts';
import { type GuestDesired, guestAddress } from './desired.ts';
import { type Refuse, refusals } from './refusals.ts';

/** Why libxl's restriction of a device model does not give a layer. */
const notGiven: Readonly<
  Partial<Record<LayerName, string>> & Record<(typeof layersWithoutXl)[number], string>
> = {
  'private-dev': "libxl leaves its device models the host's /dev",
  'uts-namespace': 'libxl makes its device models none',
  'net-namespace': 'libxl makes its device models none',
  'pid-namespace': 'libxl makes its device models none',
  'cgroup-namespace': 'libxl makes its device models none',
  capabilities: 'libxl does not cut the bounding set of its device models',
  'no-new-privs': 'libxl does not set it for its device models',
  seccomp: 'libxl starts its device models without a filter of system calls',
  lsm: "Stockade has no profile for Xen's device models",
};

/** What the host cannot give a guest of xl's. */
export function xlLayerObstacle(layer: LayerName, host: HostCapabilities): string | undefined {
  if (layer === 'cgroup-limits' && host.cgroupVersion === undefined) return 'it has no control groups';
  return (notGiven as Readonly<Partial<Record<LayerName, string>>>)[layer];
}

/** What libxl's `dm_restrict` gives all together or not at all. */
const together: readonly LayerName[] = ['chroot', 'mount-namespace', 'ipc-namespace', 'rlimits'];

/** What a definition asks for that xl cannot do, or Stockade does not do by it. */
export function xlObstacles(guest: GuestDesired, host: HostCapabilities): readonly Diagnostic[] {
  const refuse = refusals(guest);
  const elsewhere = 'Leave it out, or put the guest on a host with toolstack = "qemu".';
  const found: Diagnostic[] = [...diskObstacles(guest, refuse), ...memoryObstacles(guest, host, refuse)];
  if (guest.accelerator !== 'kvm') {
    const text = 'xl has no emulated processors (tcg): Xen uses that of the host';
    found.push(refuse('accelerator', 'xl-accelerator', text, 'Set accelerator = "kvm" (the default).'));
  }
  if (guest.machine !== 'q35' && guest.machine !== 'pc') {
    const text = `xl makes no ${guest.machine}: its guests have a machine of Xen's own`;
    found.push(refuse('machine', 'xl-machine', text, 'Set machine = "q35" (the default) or "pc".'));
  }
  if (guest.shares.length > 0)
    found.push(
      refuse('shares', 'xl-shares', 'guests of xl have no shared directories under dm_restrict', elsewhere),
    );
  if (guest.sharedMemory)
    found.push(
      refuse(
        'sharedMemory',
        'xl-shared-memory',
        "the memory of a guest of xl's is Xen's, no file",
        elsewhere,
      ),
    );
  if (guest.network !== 'none')
    found.push(refuse('network', 'xl-network', 'xl knows no network that QEMU plays itself', elsewhere));
  if (guest.devices.length > 0)
    found.push(
      refuse('devices', 'xl-devices', "a restricted device model of Xen's is given no devices", elsewhere),
    );
  const { ioReadMibPerSecond, ioWriteMibPerSecond } = guest.limits;
  if (ioReadMibPerSecond !== undefined || ioWriteMibPerSecond !== undefined) {
    const text = "the disks of xl's guests are served by the kernel, outside what limits the guest's unit";
    found.push(refuse('limits', 'xl-bandwidth', text, 'Leave the limits of bandwidth out.'));
  }
  const off = guest.isolation.off.filter((layer) => together.includes(layer));
  if (off.length > 0 || guest.isolation.hostDevMounts) {
    const which = [...off, ...(guest.isolation.hostDevMounts ? ['hostDevMounts'] : [])].join(', ');
    const text = `libxl restricts a device model as a whole (dm_restrict): ${which} cannot be had by itself`;
    found.push(refuse('isolation', 'xl-isolation', text, 'Leave it out of isolation.'));
  }
  return found;
}

/** A restricted QEMU may write 256 KiB to a file, and image formats need a QEMU that is not restricted. */
function diskObstacles({ disks }: GuestDesired, refuse: Refuse): readonly Diagnostic[] {
  return disks.flatMap(({ name, path, format, backing }) => {
    if (format !== 'raw' || backing.length > 0) {
      const text = `disk ${name} is a ${format} image, which under dm_restrict would need a device model that is not restricted`;
      const hint = `Convert it (qemu-img convert -O raw) onto a logical volume or a loop device, and give that as a raw disk.`;
      return [refuse('disks', 'xl-disk-format', text, hint)];
    }
    if (isBlockDevicePath(path)) return [];
    const text = `disk ${name} is a plain file, of which a restricted device model can write 256 KiB (RLIMIT_FSIZE)`;
    const hint = `Give it as a block device: a logical volume, or a loop device (on the host: losetup --find --show ${path}).`;
    return [refuse('disks', 'xl-disk-file', text, hint)];
  });
}

function memoryObstacles({ memoryMib }: GuestDesired, { xen }: HostCapabilities, refuse: Refuse) {
  const total = xen?.totalMemoryMib ?? 0;
  if (total === 0 || memoryMib < total) return [];
  const text = `the host has ${total} MiB of memory altogether, and the guest wants ${memoryMib}`;
  return [refuse('memoryMib', 'xl-memory', text, 'Give the guest less memory, or choose a larger host.')];
}

/** A domain that bears the guest's name and is not the guest: never touched. */
export function domainObstacles(
  guest: GuestDesired,
  domains: readonly XenDomain[] | undefined,
): readonly Diagnostic[] {
  const resource = describeAddress(guestAddress(guest));
  if (domains === undefined) {
    return [
      problem('xl-unreadable', `${resource}: xl does not list the domains of the host`, {
        host: guest.host,
        resource,
        hint: 'On the host, see what `xl list -l` says; its services must run: systemctl status xen.service.',
      }),
    ];
  }
  const uuid = domainUuid(guest);
  const other = domains.find((domain) => domain.name === guest.name && domain.uuid !== uuid);
  if (other === undefined) return [];
  return [
    problem('domain-foreign', `${resource}: the host has a domain of that name that is not ours`, {
      host: guest.host,
      resource,
      path: ['name'],
      detail: `It is domain ${other.domid}, UUID ${other.uuid}; the guest's would be ${uuid}.`,
      hint: `Give the guest another name, or rename that domain (xl rename ${other.domid} NEW-NAME) or shut it down.`,
    }),
  ];
}

/** Of guests that are made or changed: their handles may not be to be shown, and Xen may not have the memory at once. */
export function xlCautions(
  guest: Pick<GuestDesired, 'host' | 'name' | 'memoryMib'>,
  host: HostCapabilities,
  isRunning: boolean,
): readonly Diagnostic[] {
  return [...handleCautions(guest, host), ...memoryCautions(guest, host, isRunning)];
}

function handleCautions(
  guest: Pick<GuestDesired, 'host' | 'name'>,
  host: HostCapabilities,
): readonly Diagnostic[] {
  const why = uncheckedHandles(host);
  if (why === undefined) return [];
  const resource = describeAddress(guestAddress(guest));
  return [
    caution(
      'xl-handles-unproven',
      `${resource}: that its handles on Xen are restricted cannot be shown: ${why}`,
      {
        ...{ host: guest.host, resource },
        hint: 'Install Xen\'s checker and python3 on the host (on Debian: xen-utils-VERSION); Xen has no such checker after 4.20. Else the evidence says "unproven" of them.',
      },
    ),
  ];
}

function memoryCautions(
  guest: Pick<GuestDesired, 'host' | 'name' | 'memoryMib'>,
  { xen }: HostCapabilities,
  isRunning: boolean,
): readonly Diagnostic[] {
  const free = xen?.freeMemoryMib ?? 0;
  if (isRunning || xen === undefined || guest.memoryMib < free) return [];
  const resource = describeAddress(guestAddress(guest));
  return [
    caution(
      'xl-memory-low',
      `${resource}: Xen has ${free} MiB free, and the guest wants ${guest.memoryMib}`,
      {
        host: guest.host,
        resource,
        path: ['memoryMib'],
        hint: 'Unless dom0 gives memory back (autoballoon in xl.conf), the start fails: free some (xl list), or lower dom0 (xl mem-set 0 MIB; dom0_mem on the command line of Xen).',
      },
    ),
  ];
}
