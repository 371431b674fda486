import { type Address, describeAddress } from '../model/address.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
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

/** The same diagnostics, each where the object it is about stands in the files. */
export function placed(definitions: Definitions, diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  const places = new Map(addressesOf(definitions).map((address) => [describeAddress(address), address]));
  return diagnostics.map((one) => {
    const address = one.resource === undefined ? undefined : places.get(one.resource);
    const source = one.source ?? (address === undefined ? undefined : definitions.source(address, one.path));
    return source === undefined ? one : { ...one, source };
  });
}
