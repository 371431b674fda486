import { z } from 'zod';
import { field, plainText } from './field.ts';
import { nameSchema } from './names.ts';

/** A hypervisor host to prepare: directories, launcher unit template, logger user. */
export const hostSchema = z.strictObject({
  name: field(nameSchema, "The host's name in the provider's inventory.", { forcesReplacement: true }),
  qemuBinary: field(
    plainText(4096)
      .refine((path) => path.startsWith('/'), 'must be an absolute path')
      .optional(),
    'The QEMU system emulator to use. Default: `qemu-system-x86_64` as found in /usr/bin, /usr/local/bin, /usr/libexec or /usr/lib.',
  ),
});

export type HostSpec = z.output<typeof hostSchema>;
