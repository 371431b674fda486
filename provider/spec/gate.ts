import { z } from 'zod';
import { field } from './field.ts';
import { nameSchema } from './names.ts';

/** Named as in `stockade_guest`, so that the guest itself can stand for it: Terraform leaves out what is not asked for. */
const gateGuestSchema = z.strictObject({
  host: field(nameSchema, 'The host: `stockade_guest.x.host`.'),
  name: field(nameSchema, "The guest's name: `stockade_guest.x.name`."),
  generation: field(
    z.int().min(1),
    '`stockade_guest.x.generation`: the gate waits anew in each apply that changes the guest. Evidence of another generation does not count.',
  ),
});

/** What holds a second group of guests back until the isolation of a first one is seen to hold. */
export const gateSchema = z.strictObject({
  guests: field(
    z.array(gateGuestSchema).min(1).max(10_000),
    'The guests to wait for: `[stockade_guest.a, stockade_guest.b]`, or `values(stockade_guest.x)`. Where one of them changes, the gate waits anew.',
    { forcesReplacement: true },
  ),
  timeoutSeconds: field(
    z.int().min(1).max(86_400).default(300),
    'How long it waits; the last look at the hosts begins no later. Unit: seconds. Default: 300.',
  ),
});

export type GateSpec = z.output<typeof gateSchema>;
