import { sha256 } from '../../model/sha256.ts';
import type { QemuUsersSpec, UserScheme } from '../../spec/qemu-users.ts';
import type { DomidRange } from './names.ts';

/** What is asked for of one set of users, as the fleet wrote it. */
export interface QemuUsersDesired extends DomidRange {
  readonly host: string;
  /** The owner written on the record. */
  readonly fleet: string;
  readonly scheme: UserScheme;
  /** `undefined`: chosen from what the host shows. */
  readonly uidBase: number | undefined;
}

export function qemuUsersDesired(spec: QemuUsersSpec, fleet: string): QemuUsersDesired {
  const { host, scheme, firstDomid, lastDomid, uidBase } = spec;
  return { host, fleet, scheme, firstDomid, lastDomid, uidBase };
}

/** Names what a fleet asked for: written on its record. */
export function qemuUsersDigest(desired: QemuUsersDesired, uidBase: number): string {
  const { scheme, firstDomid, lastDomid } = desired;
  return sha256(JSON.stringify([scheme, firstDomid, lastDomid, uidBase]));
}
