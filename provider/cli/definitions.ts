import type { Address } from '../model/address.ts';
import { guestAddress } from '../resources/guest/desired.ts';
import { hostAddress } from '../resources/host/desired.ts';
import { qemuUsersAddress } from '../resources/qemu-users/names.ts';
import type { Definitions } from '../spec/definitions.ts';

/** Every object that is defined: hosts, then users, then guests. */
export function addressesOf({ hosts, users, guests }: Definitions): readonly Address[] {
  return [
    ...hosts.map(({ name }) => hostAddress({ host: name })),
    ...users.map((one) => qemuUsersAddress(one)),
    ...guests.map((one) => guestAddress(one)),
  ];
}
