import { fleetSchema } from '../spec/fleet.ts';
import type { Schema } from '../tfplugin/types.ts';
import { attributesOf } from './schema.ts';

/** The provider block: who we are, and the hosts. */
export const configurationSchema: Schema = {
  description:
    'Declares sandboxed QEMU guests on Linux hosts and proves their isolation. One provider block holds a whole fleet.',
  attributes: attributesOf(fleetSchema, 'configuration'),
};
