import { assertNever } from '../../model/assert.ts';
import type { Address } from '../../model/address.ts';
import { lastPossibleDomid, type UserScheme } from '../../spec/qemu-users.ts';

/** Names are Xen's: libxl and its tools look users up by them. */
export const domidUserPrefix = 'xen-qemuuser-domid';
const rangeBaseUser = 'xen-qemuuser-range-base';
export const sharedUser = 'xen-qemuuser-shared';

/** A set of users takes this many ids from its base on: domid 0, all possible domids, and some for the reaper. */
export const uidBlock = 32_768;
/** Where the reaper's uid is looked for, from the base on: past all domids. */
export const reaperOffset = lastPossibleDomid + 1;

/** Domids first..last. */
export interface DomidRange {
  readonly firstDomid: number;
  readonly lastDomid: number;
}

export interface UidRange {
  readonly first: number;
  readonly last: number;
}

export function qemuUsersAddress(users: { readonly host: string; readonly scheme: UserScheme }): Address {
  return { kind: 'qemu-users', host: users.host, name: users.scheme };
}

/** The ids that guests of these domids run as, the named user of the scheme included. */
export function uidsOf(scheme: UserScheme, uidBase: number, range: DomidRange): readonly UidRange[] {
  const ofDomids = { first: uidBase + range.firstDomid, last: uidBase + range.lastDomid };
  switch (scheme) {
    case 'per-domain':
      return [ofDomids];
    case 'range':
      return [{ first: uidBase, last: uidBase }, ofDomids];
    case 'shared':
      return [{ first: uidBase, last: uidBase }];
    default:
      return assertNever(scheme);
  }
}

/** The one user the scheme is named after; `per-domain` has none. */
export function namedUser(scheme: UserScheme): string | undefined {
  switch (scheme) {
    case 'per-domain':
      return undefined;
    case 'range':
      return rangeBaseUser;
    case 'shared':
      return sharedUser;
    default:
      return assertNever(scheme);
  }
}

/** Ranges joined where they touch or overlap, in ascending order. */
export function unite(ranges: readonly DomidRange[]): readonly DomidRange[] {
  const united: DomidRange[] = [];
  for (const range of [...ranges].sort((one, other) => one.firstDomid - other.firstDomid)) {
    const before = united.at(-1);
    if (before === undefined || range.firstDomid > before.lastDomid + 1) united.push(range);
    else {
      const lastDomid = Math.max(before.lastDomid, range.lastDomid);
      united[united.length - 1] = { firstDomid: before.firstDomid, lastDomid };
    }
  }
  return united;
}
