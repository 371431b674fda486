import type { HostSnapshot } from '../engine/snapshot.ts';
import { referenceTo } from '../executor/local-files.ts';
import { type Address, describeAddress } from '../model/address.ts';
import { assertNever } from '../model/assert.ts';
import { failure, problem, type Result, success } from '../model/diagnostic.ts';
import type { GuestFile, StoredGuest } from '../resources/guest/desired.ts';
import { type UserScheme, userSchemes } from '../spec/qemu-users.ts';

/** A part of definitions, as it is to be written. */
export type Fragment = Readonly<Record<string, unknown>>;

/**
 * The definition of what a host has of this fleet, from the host's own record. Once it is among the definitions, a plan changes nothing of it;
 * before, it would take it away. Only its owner can import it.
 */
export function importedDefinition(
  address: Address,
  fleet: string,
  snapshot: HostSnapshot,
): Result<Fragment> {
  switch (address.kind) {
    case 'guest':
      return importedGuest(address, fleet, snapshot);
    case 'qemu-users':
      return importedUsers(address, fleet, snapshot);
    case 'host':
      return importedHost(address, fleet, snapshot);
    default:
      return assertNever(address.kind);
  }
}

function importedHost(address: Address, fleet: string, { facts }: HostSnapshot): Result<Fragment> {
  const owner = facts.owners.get(fleet);
  if (owner === undefined) return nothing(address, fleet);
  const { qemuBinary, toolstack } = owner;
  return success({
    hosts: {
      [address.name]: {
        ...(toolstack === 'qemu' ? {} : { toolstack }),
        ...(qemuBinary === undefined ? {} : { qemuBinary }),
      },
    },
  });
}

function importedUsers(address: Address, fleet: string, { users }: HostSnapshot): Result<Fragment> {
  const facts = users.get(address.name as UserScheme);
  const owner = facts?.owners.get(fleet);
  if (facts === undefined || owner === undefined || !userSchemes.some((one) => one === address.name)) {
    return nothing(address, fleet);
  }
  const { firstDomid, lastDomid } = owner;
  return success({ users: [{ host: address.host, scheme: address.name, firstDomid, lastDomid }] });
}

function importedGuest(address: Address, fleet: string, { guests }: HostSnapshot): Result<Fragment> {
  const facts = guests.get(address.name);
  if (facts === undefined) return nothing(address, fleet);
  const resource = describeAddress(address);
  if (facts.owner !== fleet) {
    return failure(
      problem('record-foreign', `${resource} belongs to fleet ${facts.owner}`, {
        ...{ host: address.host, resource },
        hint: 'Only its owner can import it.',
      }),
    );
  }
  if (facts.stored === undefined) {
    return failure(
      problem('record-damaged', `${resource}: its record on the host cannot be read`, {
        ...{ host: address.host, resource },
        hint: 'Define it anew: apply writes the record again.',
      }),
    );
  }
  return success({ guests: { [address.name]: guestFragment(address.host, facts.stored) } });
}

function guestFragment(host: string, stored: StoredGuest): Fragment {
  const { scheme, kernel, initrd, commandLine, disks, shares, devices, limits, isolation, ...rest } = stored;
  const some = <One>(name: string, list: readonly One[]) => (list.length === 0 ? {} : { [name]: list });
  const set = Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== undefined));
  return {
    ...{ host, users: scheme, ...rest },
    kernel: fileFragment(kernel),
    ...(initrd === undefined ? {} : { initrd: fileFragment(initrd) }),
    ...(commandLine === '' ? {} : { commandLine }),
    ...some(
      'disks',
      disks.map(({ backing, sizeMib, ...disk }) => ({
        ...disk,
        ...some('backing', backing),
        ...(sizeMib === undefined ? {} : { sizeMib }),
      })),
    ),
    ...some(
      'shares',
      shares.map((share) =>
        Object.fromEntries(Object.entries(share).filter(([, value]) => value !== undefined)),
      ),
    ),
    ...some('devices', devices),
    ...(Object.keys(set).length === 0 ? {} : { limits: set }),
    ...departures(isolation),
  };
}

function departures({ off, mayBeMissing, hostDevMounts }: StoredGuest['isolation']): Fragment {
  if (off.length + mayBeMissing.length === 0 && !hostDevMounts) return {};
  return {
    isolation: {
      ...(off.length === 0 ? {} : { off }),
      ...(mayBeMissing.length === 0 ? {} : { mayBeMissing }),
      ...(hostDevMounts ? { hostDevMounts } : {}),
    },
  };
}

/** The path of an uploaded file is not known any more, its content is. */
function fileFragment(file: GuestFile): Fragment {
  return file.kind === 'host' ? { hostFile: file.path } : { file: referenceTo(file.sha256) };
}

function nothing(address: Address, fleet: string): Result<Fragment> {
  return failure(
    problem('nothing-to-import', `there is no ${describeAddress(address)} of fleet ${fleet} to import`, {
      host: address.host,
      hint: 'See that its name, its host and the fleet are those it was made with: `stockade hosts` lists guests.',
    }),
  );
}
