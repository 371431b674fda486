import type { HostSnapshot } from '../../engine/snapshot.ts';
import { type Address, describeAddress } from '../../model/address.ts';
import { type Diagnostic, failure, problem, type Result, success } from '../../model/diagnostic.ts';
import { namePattern } from '../../model/names.ts';
import type { Toolstack } from '../../model/toolstack.ts';
import { type GuestDesired, guestAddress } from '../../resources/guest/desired.ts';
import { cautionsOnHost, obstaclesOnHost, workOnHost } from '../../resources/guest/on-host.ts';
import { guestRemoval } from '../../resources/guest/operations.ts';
import { readyHost } from '../../resources/guest/rendering.ts';
import { otherGuests } from '../../resources/guest/share-conflicts.ts';
import { capabilitiesFor } from '../../resources/host/facts.ts';
import { leasable } from '../../resources/qemu-users/operations.ts';
import { guestSchema } from '../../spec/guest.ts';
import { type DefinedGuest, defineGuest } from '../../executor/defined-guest.ts';
import { guestSafety } from '../../executor/halt.ts';
import type { LocalFiles } from '../../executor/local-files.ts';
import type { Kind, Wish, Work } from '../kind.ts';
import { isObject, type ObjectValue, type TerraformValue } from '../../tfplugin/types.ts';
import { planGuest } from './guest-plan.ts';
import { guestRemarks } from './guest-remarks.ts';
import { guestResourceSchema } from './guest-schema.ts';
import { findGuest, shareDrivers } from './guest-state.ts';
import { integrityProblems } from './integrity-problems.ts';

/** A guest's definition with the files of this machine that it names. */
export interface WantedGuest extends DefinedGuest {
  /** As Terraform shows them; `undefined` while the host is not known. */
  readonly shareDrivers: ObjectValue | null | undefined;
  /** `undefined` while the host is not known. */
  readonly toolstack?: Toolstack | undefined;
}

type Where = Pick<GuestDesired, 'host' | 'name'>;

async function want(
  files: LocalFiles,
  { spec, fleet }: Wish<typeof guestSchema>,
  snapshot: HostSnapshot | undefined,
): Promise<Result<WantedGuest>> {
  const defined = await defineGuest(files, spec, fleet);
  if (!defined.ok) return defined;
  const { desired, uploads } = defined.value;
  const prepared = snapshot?.facts.owners.has(fleet) === true;
  return success({
    desired,
    uploads,
    toolstack: prepared ? capabilitiesFor(snapshot.facts, fleet).toolstack : undefined,
    shareDrivers:
      desired.shares.length === 0 ? null : prepared ? shareDrivers(desired, snapshot, fleet) : undefined,
  });
}

/** Of the shares as far as they are known. */
function sources({ shares }: ObjectValue): readonly string[] {
  if (!Array.isArray(shares)) return [];
  return shares.flatMap((share: TerraformValue) => {
    const source = isObject(share) ? share['source'] : undefined;
    return typeof source === 'string' ? [source] : [];
  });
}

/** Nothing is said of a host that is to be prepared first: that may choose another QEMU. */
function obstacles({ desired, uploads }: WantedGuest, snapshot: HostSnapshot): readonly Diagnostic[] {
  const { facts } = snapshot;
  const capabilities = facts.owners.has(desired.fleet) ? capabilitiesFor(facts, desired.fleet) : undefined;
  const others = otherGuests([desired], snapshot.guests);
  // one of the fleet may be about to give an image up: each is planned by itself, and the lock has the last word
  const foreign = others.filter(({ recordOf }) => recordOf !== undefined && recordOf !== desired.fleet);
  return obstaclesOnHost(desired, capabilities, snapshot, { sharing: others, images: foreign }, uploads);
}

function work(wanted: WantedGuest, snapshot: HostSnapshot): Result<Work> {
  const { desired, uploads } = wanted;
  const ready = readyHost(capabilitiesFor(snapshot.facts, desired.fleet));
  const offering = snapshot.users.get(desired.scheme);
  const users = offering === undefined ? undefined : leasable(offering, desired.fleet);
  const inTheWay = obstacles(wanted, snapshot);
  if (inTheWay.length > 0) return failure(...inTheWay);
  if (ready === undefined || !snapshot.facts.owners.has(desired.fleet)) return failure(notPrepared(desired));
  if (users === undefined) return failure(withoutUsers(desired));
  const missing = new Map([...uploads].filter(([digest]) => !snapshot.files.has(digest)));
  const { change, operations } = workOnHost(desired, ready, snapshot, { users, uploads: missing });
  return success({ change, operations });
}

/** A guest whose place this one takes is none of the others: it is gone by then. */
function cautions(
  { desired }: WantedGuest,
  snapshot: HostSnapshot,
  prior: ObjectValue | null,
): readonly Diagnostic[] {
  const sharing = otherGuests([desired], snapshot.guests).filter(
    ({ name }) => prior?.['host'] !== desired.host || prior['name'] !== name,
  );
  return cautionsOnHost(desired, capabilitiesFor(snapshot.facts, desired.fleet), snapshot, { sharing });
}

function nameOf(guest: Where): string {
  return describeAddress(guestAddress(guest));
}

function notPrepared(guest: Where): Diagnostic {
  return problem('host-not-prepared', `${nameOf(guest)}: host ${guest.host} is not prepared`, {
    host: guest.host,
    resource: nameOf(guest),
    hint: 'Make a stockade_host for it, and refer to it: `host = stockade_host.x.id`.',
  });
}

function withoutUsers(guest: Where & { readonly scheme: string }): Diagnostic {
  return problem('users-missing', `${nameOf(guest)}: the host has no ${guest.scheme} users of ours`, {
    host: guest.host,
    resource: nameOf(guest),
    hint: 'Make a stockade_qemu_users for the host, and refer to it: `users = stockade_qemu_users.x.id`.',
  });
}

/** @param files digests of the applying machine's files */
export function guestKind(files: LocalFiles): Kind<typeof guestSchema, WantedGuest> {
  return {
    type: 'stockade_guest',
    spec: guestSchema,
    schema: guestResourceSchema,
    idForm: 'HOST/NAME',
    parseId: (id) => {
      const [host = '', name = '', ...rest] = id.split('/');
      const wellFormed = rest.length === 0 && namePattern.test(host) && namePattern.test(name);
      return wellFormed ? { id, host, name } : undefined;
    },
    address: ({ host, name }) =>
      typeof host === 'string' && typeof name === 'string' ? guestAddress({ host, name }) : undefined,
    find: findGuest,
    want: (wish, snapshot) => want(files, wish, snapshot),
    sources,
    obstacles,
    cautions,
    work,
    remarks: guestRemarks,
    dependents: () => [],
    removal: (address: Address, fleet, snapshot) => {
      const generation = snapshot.guests.get(address.name)?.generation ?? 'any';
      return success(guestRemoval({ host: address.host, name: address.name }, fleet, generation));
    },
    plan: (planned, prior, wanted) =>
      planGuest(planned, prior, wanted?.desired, wanted?.shareDrivers, wanted?.toolstack),
    verify: (address, { desired }, snapshot) =>
      integrityProblems(address, findGuest(snapshot, address, desired.fleet, {})),
    safety: guestSafety,
  };
}
