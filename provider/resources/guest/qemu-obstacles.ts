import { describeAddress } from '../../model/address.ts';
import { type Diagnostic, problem } from '../../model/diagnostic.ts';
import type { QemuCapabilities } from '../../toolstacks/qemu/capabilities.types.ts';
import { qemuConfinement } from '../../toolstacks/qemu/argv.ts';
import { sharedMemoryForm } from '../../toolstacks/qemu/memory.ts';
import { type GuestDesired, guestAddress } from './desired.ts';
import type { OtherGuest } from './share-conflicts.ts';
import { type Refuse, refusals } from './refusals.ts';

/** Slots for virtio devices that every microvm has (QEMU: 8, or 24 with a second IO-APIC). */
const microvmSlots = 8;
/**
 * Of the 32 slots of the root bus two are the chipset's: 0 and 31 of q35 (LPC, SATA and SMBus share the last), 0 and 1 of pc (ISA, IDE and
 * power management share the second); `-nodefaults` leaves the others. Sources: QEMU's hw/i386/pc_q35.c and pc_piix.c; 7.2 and 10.0 take 30 and refuse a 31st.
 */
const pciSlots = 30;

/** What a guest asks for beside its processor and memory that this QEMU cannot do: its user, disks, shared memory, network. */
export function deviceObstacles(guest: GuestDesired, qemu: QemuCapabilities): readonly Diagnostic[] {
  const refuse = refusals(guest);
  const found: Diagnostic[] = [];
  const upgrade = `QEMU ${qemu.version} of ${guest.host} is ${qemu.binary}; use a newer one.`;
  if (guest.scheme === 'range' && qemuConfinement(qemu).user === 'name') {
    const text =
      'this QEMU takes the name of a user alone (-runas without numbers), and the users of a range have none';
    const hint = `Use users of the scheme per-domain or shared. Or upgrade: ${upgrade}`;
    found.push(refuse('users', 'user-without-name', text, hint));
  }
  if (guest.disks.length > 0 && !(qemu.blockdev && qemu.addFd)) {
    found.push(
      refuse(
        'disks',
        'disks-unsupported',
        'this QEMU takes no disks by descriptor (-blockdev, -add-fd)',
        upgrade,
      ),
    );
  }
  found.push(...roomObstacles(guest, refuse));
  if (guest.sharedMemory && sharedMemoryForm(qemu, guest.machine) === undefined) {
    const text = 'this QEMU cannot put the memory of this machine into a shared file (memory-backend-memfd)';
    found.push(refuse('sharedMemory', 'shared-memory-unsupported', text, upgrade));
  }
  if (guest.network === 'user' && !qemu.userNetwork) {
    found.push(
      refuse(
        'network',
        'user-network-unsupported',
        'this QEMU was built without user-mode networking (slirp)',
        'Set network = "none", or install a QEMU that has it.',
      ),
    );
  }
  return found;
}

/** Each disk, share and network card takes a slot of the machine. */
function roomObstacles(guest: GuestDesired, refuse: Refuse): readonly Diagnostic[] {
  const devices = guest.disks.length + guest.shares.length + (guest.network === 'user' ? 1 : 0);
  const isMicrovm = guest.machine === 'microvm';
  const slots = isMicrovm ? microvmSlots : pciSlots;
  if (devices <= slots) return [];
  const field = guest.shares.length > 0 ? 'shares' : 'disks';
  const text = `a ${guest.machine} has room for ${slots} disks, shares and network cards together, not ${devices}`;
  const hint = `Take fewer${isMicrovm ? ', or the machine q35' : ': one share of a directory above gives the guest all below it'}.`;
  return [refuse(field, isMicrovm ? 'microvm-full' : 'machine-full', text, hint)];
}

/**
 * Images that another guest of the host uses too, where one of the two writes to them. The launch keeps guests apart by locks as well.
 * @param others as they are wished, or by their records
 */
export function sharedDiskObstacles(
  guest: GuestDesired,
  others: readonly Pick<OtherGuest, 'name' | 'disks' | 'recordOf'>[],
): readonly Diagnostic[] {
  const resource = describeAddress(guestAddress(guest));
  const own = imagesOf(guest);
  return others
    .filter(({ name }) => name !== guest.name)
    .flatMap((other) =>
      imagesOf(other).flatMap((image) => {
        const clash = own.find(({ path, writes }) => path === image.path && (writes || image.writes));
        if (clash === undefined) return [];
        const first = `Where guest ${other.name} is about to give it up, apply that first.`;
        return [
          problem(
            'disk-shared',
            `${resource}: guest ${other.name} uses ${image.path} too, and one of them writes to it`,
            {
              host: guest.host,
              resource,
              path: ['disks', clash.disk, 'path'],
              hint: `Give each guest an image of its own (qcow2 images may stand on one base together), or make it readonly for both.${other.recordOf === undefined ? '' : ` ${first}`}`,
            },
          ),
        ];
      }),
    );
}

function imagesOf({ disks }: Pick<GuestDesired, 'disks'>) {
  return disks.flatMap(({ path, readonly, backing }, disk) => [
    { disk, path, writes: !readonly },
    ...backing.map((image) => ({ disk, path: image.path, writes: false })),
  ]);
}
