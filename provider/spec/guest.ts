import { z } from 'zod';
import { layerNames, switchableLayers } from '../model/evidence.ts';
import { imageRules } from './disk-rules.ts';
import { field, hostPath, plainText } from './field.ts';
import { devicePath, deviceRules } from './device-rules.ts';
import { busRules, diskRules, isolationRules } from './guest-rules.ts';
import { nameSchema } from './names.ts';
import { userSchemes } from './qemu-users.ts';
import { shareSchema } from './share.ts';
import { shareModelRules, shareRules } from './share-rules.ts';

/** A file of the applier's machine, uploaded once per host and kept by digest, or a file of the host. */
const guestFileSchema = z
  .strictObject({
    file: field(
      plainText(4096).optional(),
      'A file of the machine that applies. It is uploaded once per host and kept there by its digest; only its content counts, not its path.',
      { localPath: true },
    ),
    hostFile: field(
      hostPath().optional(),
      'A file that is on the host already: an absolute path, used as it is.',
    ),
  })
  .refine((value) => (value.file === undefined) !== (value.hostFile === undefined), {
    message: 'exactly one of file and host_file is required',
  });

const imageFormats = ['raw', 'qcow2'] as const;

/** One image of a pinned backing chain. */
const backingSchema = z.strictObject({
  path: field(hostPath(), 'The image: an absolute path on the host.'),
  format: field(z.enum(imageFormats), 'Its format: `raw` or `qcow2`. Never guessed.'),
});

/** A disk image or block device of the host. */
export const diskSchema = z.strictObject({
  name: field(nameSchema, "The disk's name: the serial number that the guest sees, unique in the guest."),
  path: field(hostPath(), 'The image file or block device: an absolute path on the host.'),
  format: field(
    z.enum(imageFormats),
    'Its format: `raw` or `qcow2`. Never guessed: a guest that writes a header of its own into a raw disk gains nothing.',
  ),
  readonly: field(z.boolean().default(false), 'The guest cannot write to it. Default: false.'),
  backing: field(
    z.array(backingSchema).max(8).optional(),
    'The images a qcow2 image stands on, the next one first, all of them. Names in the image itself are not believed. Default: none.',
  ),
  sizeMib: field(
    z.int().min(1).max(1_073_741_824).optional(),
    'The size that the guest sees, and how large the file may become: beyond it QEMU is ended. Required of a file that the guest writes to. Unit: MiB.',
  ),
});

/** What a guest may take from its host. Whatever is not set is derived from the guest. */
export const limitsSchema = z.strictObject({
  memoryOverheadMib: field(
    z.int().min(16).max(1_048_576).optional(),
    "What QEMU itself may need beside the guest's memory. Unit: MiB. Default: 160, and a quarter of the guest's memory more under `tcg` (at most 1024).",
  ),
  cpuPercent: field(
    z.int().min(1).max(51_200).optional(),
    'Processor time, 100 being one processor. Default: 100 for each virtual processor and 50 for QEMU itself.',
  ),
  tasks: field(
    z.int().min(32).max(65_536).optional(),
    "Threads and processes of the guest's unit. Default: 64 for QEMU's thread pool, one for each virtual processor, and 32.",
  ),
  openFiles: field(z.int().min(64).max(65_536).optional(), 'Open files of QEMU. Default: 2048.'),
  ioReadMibPerSecond: field(
    z.int().min(1).max(1_048_576).optional(),
    'What it may read from each of its disks. Unit: MiB per second. Default: no limit.',
  ),
  ioWriteMibPerSecond: field(
    z.int().min(1).max(1_048_576).optional(),
    'What it may write to each of its disks. Unit: MiB per second. Default: no limit.',
  ),
});

/** How far a guest departs from having every layer on; without the rules of what cannot be together. */
export const isolationFields = z.strictObject({
  off: field(
    z.array(z.enum(switchableLayers)).max(switchableLayers.length).optional(),
    'Layers that are switched off. Each shows as a loss in the plan and as `off` in the evidence. Default: none.',
    { unordered: true },
  ),
  mayBeMissing: field(
    z.array(z.enum(layerNames)).max(layerNames.length).optional(),
    'Layers that may be missing where the host cannot give them; they show as `missing`. Without this such a host is an error of the plan. Default: none.',
    { unordered: true },
  ),
  hostDevMounts: field(
    z.boolean().default(false),
    "The host's own /dev/pts, /dev/shm, /dev/mqueue and whatever else is mounted below /dev are moved into the private /dev, as libvirt does, in place of fresh ones. Undercuts the private ipc namespace. Default: false.",
  ),
});

const isolationSchema = isolationFields.superRefine(isolationRules);

/** x86 machine types. QEMU supports only those of `securityBoundaryMachines` as a security boundary. */
export const machineTypes = ['q35', 'pc', 'microvm', 'isapc'] as const;
export const securityBoundaryMachines: readonly string[] = [
  'microvm',
  'pc',
  'q35',
  'xenfv',
  'xenpv',
  'xenpvh',
];

const usersReference = new RegExp(`^[a-z0-9][a-z0-9-]{0,62}/(${userSchemes.join('|')})$`);

/** A restricted guest: QEMU as a user of its own, in an empty chroot, in private namespaces, with no privileges. */
export const guestSchema = z
  .strictObject({
    host: field(nameSchema, 'The host: `stockade_host.x.id`.', { forcesReplacement: true }),
    name: field(nameSchema, "The guest's name, unique on its host.", { forcesReplacement: true }),
    users: field(
      z.string().regex(usersReference, 'must be the id of a stockade_qemu_users, HOST/SCHEME'),
      'The users it takes one of: `stockade_qemu_users.x.id`.',
      { forcesReplacement: true },
    ),
    memoryMib: field(z.int().min(1).max(16_777_216), "The guest's memory. Unit: MiB."),
    vcpus: field(z.int().min(1).max(255).default(1), 'Number of virtual processors. Default: 1.'),
    machine: field(
      z.enum(machineTypes).default('q35'),
      'QEMU machine type. `isapc` (for guests without disks and network) is none that QEMU supports as a security boundary. Default: `q35`.',
    ),
    accelerator: field(
      z.enum(['kvm', 'tcg']).default('kvm'),
      '`kvm` (an error where a probe shows that it does not work) or `tcg` (emulation; QEMU gives no security guarantee for it). Default: `kvm`.',
    ),
    kernel: field(guestFileSchema, 'The Linux kernel to boot.', { replacedWhole: true }),
    initrd: field(guestFileSchema.optional(), 'The initial RAM disk.', { replacedWhole: true }),
    commandLine: field(
      plainText(2048).optional(),
      "The kernel's command line. At most 2048 characters, no line breaks. Default: empty.",
    ),
    disks: field(
      z.array(diskSchema).max(16).superRefine(diskRules).superRefine(imageRules).optional(),
      'Disks, in the order in which the guest finds them. What it writes to and block devices, at most six together, are opened before QEMU runs and passed to it as descriptors. Default: none.',
    ),
    sharedMemory: field(
      z.boolean().default(false),
      "The guest's memory is a shared memory file, as vhost-user devices need it. Default: false.",
    ),
    shares: field(
      z.array(shareSchema).max(16).superRefine(shareRules).optional(),
      'Directories of the host that the guest may mount. Default: none.',
    ),
    network: field(
      z.enum(['none', 'user']).default('none'),
      '`none`, or `user` (QEMU plays the network itself; it reaches what QEMU reaches: nothing, in a net namespace of its own). Default: `none`.',
    ),
    devices: field(
      z.array(devicePath()).max(32).superRefine(deviceRules).optional(),
      "Device nodes of the host that the guest's QEMU may open, beside those every QEMU has: `/dev/vfio/12`. Each by its own path, over no symbolic link; it is copied with its mode, owner and ACL. A guest does not start where one is not there or is no device. Each shows as a gain in the plan. Default: none.",
      { unordered: true },
    ),
    limits: field(limitsSchema.optional(), 'What the guest may take from its host.'),
    isolation: field(
      isolationSchema.optional(),
      'Departures from full isolation. Default: none, every layer is on.',
    ),
    serialLogMaxKib: field(
      z.int().min(16).max(1_048_576).default(1024),
      'How much of the serial console is kept on the host. Unit: KiB. Default: 1024.',
    ),
    restartPolicy: field(
      z.enum(['never', 'on_crash']).default('never'),
      'What happens when QEMU ends by itself with an error: `never` (stays down, shows as drift) or `on_crash` (started again). Default: `never`.',
    ),
    shutdownTimeoutSeconds: field(
      z.int().min(0).max(3600).default(20),
      'How long a stop waits for the guest after pressing its power button, before QEMU is ended. Unit: seconds. Default: 20.',
    ),
  })
  .refine((guest) => guest.users.split('/')[0] === guest.host, {
    path: ['users'],
    message: 'belongs to another host than the guest',
  })
  .superRefine(busRules)
  .superRefine(shareModelRules);

export type LimitsSpec = z.output<typeof limitsSchema>;
export type GuestFileSpec = z.output<typeof guestFileSchema>;
export type GuestSpec = z.output<typeof guestSchema>;
