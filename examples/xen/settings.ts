import { existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import { hostEntrySchema } from '../../provider/spec/fleet.ts';

/** What differs from place to place: the hosts, and the files to boot from. */
const settingsSchema = z.strictObject({
  hosts: z.strictObject({ hv1: hostEntrySchema, xen1: hostEntrySchema }),
  /** Of hv1: `kvm`, or `tcg` where it has no usable /dev/kvm. */
  accelerator: z.enum(['kvm', 'tcg']).default('kvm'),
  memoryMib: z.int().default(128),
  kernel: z.string(),
  initrd: z.string().optional(),
});

export type Settings = z.input<typeof settingsSchema>;

/** From the file STOCKADE_SETTINGS names, by default `settings.json` where the app runs. */
export function readSettings(): z.output<typeof settingsSchema> {
  const file = process.env['STOCKADE_SETTINGS'] ?? 'settings.json';
  if (!existsSync(file))
    throw new Error(`there is no ${file}: see examples/xen/README.md for how to make one`);
  const read = settingsSchema.safeParse(JSON.parse(readFileSync(file, 'utf8')));
  if (!read.success) throw new Error(`${file}: ${z.prettifyError(read.error)}`);
  return read.data;
}
