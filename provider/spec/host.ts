import { z } from 'zod';
import { field, plainText } from './field.ts';
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
export const hostSchema = z.strictObject({
  name: field(nameSchema, "The host's name in the provider's inventory.", { forcesReplacement: true }),
  qemuBinary: field(
    plainText(4096)
      .refine((path) => path.startsWith('/'), 'must be an absolute path')
      .optional(),
    'The QEMU system emulator to use. Default: `qemu-system-x86_64` as found in /usr/bin, /usr/local/bin, /usr/libexec or /usr/lib.',
  ),
  probes: field(
    probesSchema.optional(),
    'Probes the isolation of this host on request: device models started as those of guests are try what an attacker would. Apply fails where an attempt gets through; `probe_report` has the answers. Default: no probes.',
  ),
});

export type HostSpec = z.output<typeof hostSchema>;
