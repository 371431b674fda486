import type { Address } from '../model/address.ts';
import type { Change } from '../model/change.ts';
import type { Operation } from '../model/operation.ts';
import { defaultRoots, type HostRoots } from '../model/paths.ts';
import { guestAddress } from '../resources/guest/desired.ts';
import { guestRemoval, isGuestStep } from '../resources/guest/operations.ts';
import { hostAddress } from '../resources/host/desired.ts';
import { hostRemoval } from '../resources/host/operations.ts';
import { qemuUsersAddress } from '../resources/qemu-users/names.ts';
import { qemuUsersRemoval } from '../resources/qemu-users/operations.ts';
import { type UserScheme, userSchemes } from '../spec/qemu-users.ts';
import type { HostPlan } from './plan.ts';
import type { HostSnapshot } from './snapshot.ts';

export interface RemovalOptions {
  readonly fleet: string;
  /** What stays: defined, or none of this plan's business. */
  readonly keeps: (address: Address) => boolean;
  readonly roots?: HostRoots;
}

/**
 * Takes away what a fleet owns on a host and no longer wants there: guests, then users, then what the host was prepared with. What
 * belongs to another fleet, or to nobody that can be read, is never among it.
 */
export function planRemovals(snapshot: HostSnapshot, options: RemovalOptions): HostPlan {
  const { fleet, keeps, roots = defaultRoots } = options;
  const { host } = snapshot;
  const guests = ownGuests(snapshot, fleet).map((name) => guestAddress({ host, name }));
  const schemes = userSchemes.filter((scheme) => snapshot.users.get(scheme)?.owners.has(fleet) === true);
  const leavingGuests = guests.filter((address) => !keeps(address));
  const needed = schemesNeeded(snapshot, guests.filter(keeps));
  const leavingSchemes = schemes.filter(
    (scheme) => !needed.has(scheme) && !keeps(qemuUsersAddress({ host, scheme })),
  );
  const prepared = snapshot.facts.owners.get(fleet);
  const stays = guests.length > leavingGuests.length || schemes.length > leavingSchemes.length;
  const hostLeaves = prepared !== undefined && !stays && !keeps(hostAddress({ host }));

  const operations: Operation[] = leavingGuests.flatMap(({ name }) => [
    ...guestRemoval({ host, name }, fleet, snapshot.guests.get(name)?.generation ?? 'any', roots),
  ]);
  for (const scheme of leavingSchemes) {
    const generation = snapshot.users.get(scheme)?.owners.get(fleet)?.generation ?? 'any';
    append(operations, qemuUsersRemoval({ host, scheme }, fleet, generation, roots));
  }
  if (hostLeaves) append(operations, hostRemoval({ host }, fleet, prepared.generation, roots));
  return {
    changes: [
      ...leavingGuests,
      ...leavingSchemes.map((scheme) => qemuUsersAddress({ host, scheme })),
      ...(hostLeaves ? [hostAddress({ host })] : []),
    ].map(deletion),
    operations,
  };
}

function ownGuests({ guests }: HostSnapshot, fleet: string): readonly string[] {
  return [...guests.values()].filter(({ owner }) => owner === fleet).map(({ name }) => name);
}

/** Users of guests that stay; a guest whose definition cannot be read may have any. */
function schemesNeeded({ guests }: HostSnapshot, staying: readonly Address[]): ReadonlySet<UserScheme> {
  return new Set(staying.flatMap(({ name }) => guests.get(name)?.stored?.scheme ?? [...userSchemes]));
}

function deletion(address: Address): Change {
  return { address, action: 'delete', disruption: 'none', reasons: [] };
}

/** Puts operations behind all that are there: nothing is taken away from under what needs it. */
function append(before: Operation[], more: readonly Operation[]): void {
  const needs = before.map(({ id }) => id);
  before.push(...more.map((operation) => ({ ...operation, needs: [...operation.needs, ...needs] })));
}

/**
 * Removals and what is made or changed, as one plan. Files that no record names any more are looked for once the new records are
 * there: a file that goes with one guest may be wanted by another. Users are leased once those of guests that go are free; where one of them
 * cannot be taken away, the others are made all the same.
 */
export function joinPlans(removals: HostPlan, made: HostPlan): HostPlan {
  const records = idsOf(made, 'record');
  const removed = idsOf(removals, 'remove');
  const collecting = removals.operations.map((operation) =>
    isGuestStep(operation, 'collect') ? { ...operation, needs: [...operation.needs, ...records] } : operation,
  );
  const leasing = made.operations.map((operation) =>
    removed.length > 0 && isGuestStep(operation, 'lease')
      ? { ...operation, after: [...(operation.after ?? []), ...removed] }
      : operation,
  );
  return {
    changes: [...made.changes, ...removals.changes],
    operations: [...collecting, ...leasing],
  };
}

function idsOf({ operations }: HostPlan, step: Parameters<typeof isGuestStep>[1]): readonly string[] {
  return operations.filter((operation) => isGuestStep(operation, step)).map(({ id }) => id);
}
