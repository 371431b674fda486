import { z } from 'zod';
import { field, hostPath, plainText } from './field.ts';
import { nameSchema } from './names.ts';
import { userSchemes } from './qemu-users.ts';

/** A file of the applier's machine, uploaded once per host and kept by digest, or a file of the host. */
export const guestFileSchema = z
  .strictObject({
    file: field(
      plainText(4096).optional(),
      'A file of the machine that applies. It is uploaded once per host and kept there by its digest; only its content counts, not its path.',
    ),
    hostFile: field(
      hostPath().optional(),
      'A file that is on the host already: an absolute path, used as it is.',
    ),
  })
  .refine((value) => (value.file === undefined) !== (value.hostFile === undefined), {
    message: 'exactly one of file and host_file is required',
  });

/** x86 machine types. QEMU supports only those of `securityBoundaryMachines` as a security boundary. */
export const machineTypes = ['q35', 'pc', 'microvm'] as const;
export const securityBoundaryMachines: readonly string[] = [
  'microvm',
  'pc',
  'q35',
  'xenfv',
  'xenpv',
  'xenpvh',
];

export const usersReference = new RegExp(`^[a-z0-9][a-z0-9-]{0,62}/(${userSchemes.join('|')})$`);

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
    machine: field(z.enum(machineTypes).default('q35'), 'QEMU machine type. Default: `q35`.'),
    accelerator: field(
      z.enum(['kvm', 'tcg']).default('kvm'),
      '`kvm` (an error where a probe shows that it does not work) or `tcg` (emulation; QEMU gives no security guarantee for it). Default: `kvm`.',
    ),
    kernel: field(guestFileSchema, 'The Linux kernel to boot.'),
    initrd: field(guestFileSchema.optional(), 'The initial RAM disk.'),
    commandLine: field(
      plainText(2048).optional(),
      "The kernel's command line. At most 2048 characters, no line breaks. Default: empty.",
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
  });

export type GuestFileSpec = z.output<typeof guestFileSchema>;
export type GuestSpec = z.output<typeof guestSchema>;
