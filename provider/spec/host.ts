import { z } from 'zod';
import { field, plainText } from './field.ts';
import { toolstacks } from '../model/toolstack.ts';
import { nameSchema } from './names.ts';

const probesSchema = z.strictObject({
  run: field(
    plainText(256),
    'Any text: the probes run when it is set and whenever it changes. A date, a ticket, the version of a kernel (`data.stockade_host_facts.x.kernel`), or `timestamp()` for every apply.',
  ),
  control: field(
    z.boolean().default(true),
    'Makes the same attempts without the jail too: QEMU as root, for seconds. Only that shows that it is the jail that stops them. Default: true.',
  ),
});

/** A hypervisor host to prepare: directories, launcher unit template, logger user. */
export const hostSchema = z
  .strictObject({
    name: field(nameSchema, "The host's name in the provider's inventory.", { forcesReplacement: true }),
    toolstack: field(
      z.enum(toolstacks).default('qemu'),
      'What runs the guests: `qemu` (QEMU under systemd) or `xl` (Xen: the host must run as its control domain). Definitions of guests are the same for both; what one cannot do is an error of the plan. It cannot change while the fleet has guests on the host. Default: `qemu`.',
    ),
    qemuBinary: field(
      plainText(4096)
        .refine((path) => path.startsWith('/'), 'must be an absolute path')
        .optional(),
      'The QEMU system emulator to use. Default: `qemu-system-x86_64` as found in /usr/bin, /usr/local/bin, /usr/libexec or /usr/lib; with `xl`, the device model that Xen was built with.',
    ),
    probes: field(
      probesSchema.optional(),
      'Probes the isolation of this host on request: device models started as those of guests are try what an attacker would. Apply fails where an attempt gets through; `probe_report` has the answers. Default: no probes.',
    ),
  })
  .refine((host) => host.toolstack === 'qemu' || host.probes === undefined, {
    path: ['probes'],
    message: 'cannot be had with toolstack xl: what they start is QEMU in the jail of the other toolstack',
  });

export type HostSpec = z.output<typeof hostSchema>;
