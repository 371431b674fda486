import { guestSchema } from '../../spec/guest.ts';
import { attribute, type Schema } from '../../tfplugin/types.ts';
import { integrityAttribute } from '../integrity.ts';
import { attributesOf } from '../schema.ts';

/** Parts of a guest's integrity. */
export const guestParts = {
  process: 'The device model runs.',
  isolation: 'Every layer of isolation is effective on the live processes; else those that are not.',
  chroot: "The chroot directory is root's, closed and empty.",
  unit: 'The systemd unit is as it was written, without additions.',
  shares: "Scripts and units of its shares' helpers are as they were written, without additions.",
  launcher: 'The launcher is as it was written.',
  record: "The host's record of the guest can be read and is as it was written.",
} as const;

const digest = attribute.string({
  computed: true,
  description:
    'SHA-256 of the content, for a file of the applying machine: changes of content show here. A file that changes between plan and apply ends the apply (Terraform calls it an inconsistent final plan): plan again.',
});

export const guestResourceSchema: Schema = {
  description:
    'A restricted guest: QEMU as a user of its own, in an empty chroot, in private namespaces, without privileges. Apply fails, and the guest is stopped, where the live processes do not show that.',
  attributes: attributesOf(guestSchema, 'resource', {
    id: attribute.string({ computed: true, keepWhenUpdated: true, description: '`HOST/NAME`.' }),
    domid: attribute.number({
      computed: true,
      keepWhenUpdated: true,
      description:
        "The domain id it has leased on its host. Of a guest of xl's: the one Xen gave it at its last start, another one after the next.",
    }),
    uid: attribute.number({
      computed: true,
      keepWhenUpdated: true,
      description: 'The user id that its device model runs as, and nothing else.',
    }),
    generation: attribute.number({
      computed: true,
      description:
        'Goes up with each change. Hand it to `stockade_guest_evidence`, so that it looks again after a change.',
    }),
    state: attribute.string({
      computed: true,
      description: '`running`, or `stopped` where its device model is not there.',
    }),
    share_drivers: attribute.map('string', {
      computed: true,
      description:
        'By tag, who serves each share and why: `virtiofs: the host has …`. Known in the plan where the host is.',
    }),
    integrity: integrityAttribute(guestParts),
    'kernel.sha256': digest,
    'initrd.sha256': digest,
  }),
};
