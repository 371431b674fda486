import { z } from 'zod';
import { field } from './field.ts';
import { nameSchema } from './names.ts';

/** Xen's limit: domids run from 1 to 32751 (0x7FF0 - 1). */
export const lastPossibleDomid = 32751;

export const userSchemes = ['per-domain', 'range', 'shared'] as const;
export type UserScheme = (typeof userSchemes)[number];

/** The users that device models run as, one set per host and scheme. */
export const qemuUsersSchema = z
  .strictObject({
    host: field(nameSchema, 'The host: `stockade_host.x.id`.', { forcesReplacement: true }),
    scheme: field(
      z.enum(userSchemes).default('per-domain'),
      'How users are named: `per-domain` (`xen-qemuuser-domid<N>` for each N), `range` (`xen-qemuuser-range-base`, uid = base + domid), ' +
        '`shared` (`xen-qemuuser-shared`; guests are not protected from each other). Default: `per-domain`.',
      { forcesReplacement: true },
    ),
    firstDomid: field(
      z.int().min(1).max(lastPossibleDomid).default(1),
      'First domid that may be leased. Default: 1.',
    ),
    lastDomid: field(
      z.int().min(1).max(lastPossibleDomid).default(64),
      'Last domid that may be leased; at most 32751. Default: 64.',
    ),
    uidBase: field(
      z.int().min(1000).max(4_200_000_000).optional(),
      'uid = this + domid. Default: above every uid, gid and subordinate id range found on the host.',
      { computedWhenUnset: true, stable: true, forcesReplacement: true },
    ),
  })
  .refine((users) => users.firstDomid <= users.lastDomid, {
    path: ['lastDomid'],
    message: 'must not be below first_domid',
  });

export type QemuUsersSpec = z.output<typeof qemuUsersSchema>;
