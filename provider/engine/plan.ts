import type { Change } from '../model/change.ts';
import { type Diagnostic, failure, problem, type Result, success } from '../model/diagnostic.ts';
import { describeAddress } from '../model/address.ts';
import type { Operation, Upload } from '../model/operation.ts';
import { defaultRoots, type HostRoots } from '../model/paths.ts';
import { qemuCautions } from '../resources/guest/cautions.ts';
import { type GuestDesired, guestAddress } from '../resources/guest/desired.ts';
import type { LeasableUsers } from '../resources/guest/lease.ts';
import { cautionsOnHost, type Neighbours, obstaclesOnHost, workOnHost } from '../resources/guest/on-host.ts';
import { readyHost } from '../resources/guest/rendering.ts';
import { type OtherGuest, otherGuests } from '../resources/guest/share-conflicts.ts';
import { sharedSources } from '../resources/guest/share-source-checks.ts';
import { driversOf } from '../resources/guest/share-words.ts';
import { xlCautions } from '../resources/guest/xl-obstacles.ts';
import { hostObstacles } from '../resources/host/checks.ts';
import type { HostDesired } from '../resources/host/desired.ts';
import { hostDiff } from '../resources/host/diff.ts';
import { capabilitiesWith } from '../resources/host/facts.ts';
import { hostOperations, hostReadyStepId } from '../resources/host/operations.ts';
import { qemuUsersObstacles } from '../resources/qemu-users/checks.ts';
import type { QemuUsersDesired } from '../resources/qemu-users/desired.ts';
import { qemuUsersDiff } from '../resources/qemu-users/diff.ts';
import { qemuUsersOperations, qemuUsersStepId } from '../resources/qemu-users/operations.ts';
import { resolveIds } from '../resources/qemu-users/uid-base.ts';
import type { HostSnapshot } from './snapshot.ts';

/** Everything one fleet wants on one host. */
export interface HostWish {
  readonly host: HostDesired;
  readonly users: readonly QemuUsersDesired[];
  readonly guests: readonly GuestDesired[];
  /** Files of the applying machine, by digest. */
  readonly uploads: ReadonlyMap<string, Upload>;
}

/** The directories that it shares: what `Fleet.observe` has to look at for a plan of it. */
export function wishedSources({ guests }: Pick<HostWish, 'guests'>): readonly string[] {
  return guests.flatMap(({ shares }) => sharedSources(shares));
}

/** What will change on one host, and the operations that do it, all of which may travel as one batch. */
export interface HostPlan {
  readonly changes: readonly Change[];
  readonly operations: readonly Operation[];
}

/**
 * Plans one host as a whole: host before users before guests. What the host cannot give is found here, before anything is
 * touched; all obstacles at once. What QEMU says against guests that are made or changed is beside it, as warnings.
 */
export function planHost(
  wish: HostWish,
  snapshot: HostSnapshot,
  roots: HostRoots = defaultRoots,
): Result<HostPlan> {
  const host = planPreparation(wish.host, snapshot, roots);
  const users = planUsers(wish, snapshot, host.ready, roots);
  const neighbours = neighbourhoodOf(wish, snapshot);
  const guests = wish.guests.map((guest) =>
    planGuest(guest, wish, snapshot, { host, users, neighbours }, roots),
  );
  const obstacles = [...host.obstacles, ...users.obstacles, ...guests.flatMap((guest) => guest.obstacles)];
  if (obstacles.length > 0) return failure(...obstacles);
  const plan = {
    changes: [...host.changes, ...users.changes, ...guests.flatMap((guest) => guest.changes)],
    operations: [...host.operations, ...users.operations, ...guests.flatMap((guest) => guest.operations)],
  };
  return success(
    plan,
    guests.flatMap(({ warnings = [] }) => warnings),
  );
}

/** What guests have to do with each other, looked up once for all of them: thousands on a host are planned in a time that grows with them. */
interface Neighbourhood {
  /** All that will be on the host. */
  readonly others: readonly OtherGuest[];
  /** By path of an image: all that will be on the host and use it. */
  readonly byImage: ReadonlyMap<string, readonly OtherGuest[]>;
  /** Files that the host does not have yet. */
  readonly uploads: HostWish['uploads'];
}

function neighbourhoodOf({ guests, uploads }: HostWish, snapshot: HostSnapshot): Neighbourhood {
  const others = otherGuests(guests, snapshot.guests);
  const byImage = new Map<string, OtherGuest[]>();
  for (const guest of others) {
    for (const path of new Set(imagesOf(guest))) {
      const users = byImage.get(path);
      if (users === undefined) byImage.set(path, [guest]);
      else users.push(guest);
    }
  }
  return {
    others,
    byImage,
    uploads: new Map([...uploads].filter(([digest]) => !snapshot.files.has(digest))),
  };
}

function neighboursOf(guest: GuestDesired, { others, byImage }: Neighbourhood): Neighbours {
  return {
    sharing: guest.shares.length === 0 ? [] : others,
    images: [...new Set(imagesOf(guest).flatMap((path) => byImage.get(path) ?? []))],
  };
}

function imagesOf({ disks }: OtherGuest): readonly string[] {
  return disks.flatMap(({ path, backing }) => [path, ...backing.map((image) => image.path)]);
}

interface Part extends HostPlan {
  readonly obstacles: readonly Diagnostic[];
  readonly warnings?: readonly Diagnostic[];
}

const nothing: Part = { changes: [], operations: [], obstacles: [] };

function planPreparation(desired: HostDesired, snapshot: HostSnapshot, roots: HostRoots) {
  const obstacles = hostObstacles(desired, snapshot.facts);
  const change = hostDiff(desired, snapshot.facts, roots);
  const operations = hostOperations({ change, desired, facts: snapshot.facts, roots });
  const ready = operations.length > 0 ? [hostReadyStepId(desired)] : [];
  return { changes: [change], operations, obstacles, ready };
}

interface UsersPart extends Part {
  /** What guests may lease from, by scheme. */
  readonly offered: ReadonlyMap<string, LeasableUsers>;
}

function planUsers(
  wish: HostWish,
  snapshot: HostSnapshot,
  after: readonly string[],
  roots: HostRoots,
): UsersPart {
  const offered = new Map<string, LeasableUsers>();
  let all: Part = nothing;
  for (const desired of wish.users) {
    const facts = snapshot.users.get(desired.scheme);
    if (facts === undefined) continue;
    const ids = resolveIds(desired, facts);
    if (!ids.ok) {
      all = joined(all, { ...nothing, obstacles: ids.diagnostics });
      continue;
    }
    const change = qemuUsersDiff(desired, ids.value, facts);
    all = joined(all, {
      changes: [change],
      operations: qemuUsersOperations({ change, desired, ids: ids.value, facts, after, roots }),
      obstacles: qemuUsersObstacles(desired, ids.value, facts),
    });
    const { scheme, firstDomid, lastDomid } = desired;
    offered.set(scheme, { scheme, firstDomid, lastDomid, uidBase: ids.value.uidBase });
  }
  return { ...all, offered };
}

function planGuest(
  desired: GuestDesired,
  wish: HostWish,
  snapshot: HostSnapshot,
  before: {
    readonly host: Part & { readonly ready: readonly string[] };
    readonly users: UsersPart;
    readonly neighbours: Neighbourhood;
  },
  roots: HostRoots,
): Part {
  const { qemuBinary, toolstack } = wish.host;
  const capabilities = capabilitiesWith(snapshot.facts, qemuBinary, toolstack);
  const ready = readyHost(capabilities);
  const users = before.users.offered.get(desired.scheme);
  const neighbours = neighboursOf(desired, before.neighbours);
  const obstacles = [
    ...obstaclesOnHost(desired, capabilities, snapshot, neighbours, wish.uploads, roots).filter(
      // an xl without an answer is the host's obstacle, told once
      ({ code }) => code !== 'xl-unreadable' || before.host.obstacles.length === 0,
    ),
    ...foreignOwner(desired, snapshot.guests.get(desired.name)?.owner),
    ...(users === undefined ? [withoutUsers(desired)] : []),
  ];
  if (obstacles.length > 0 || users === undefined || ready === undefined) return { ...nothing, obstacles };
  const { uploads } = before.neighbours;
  const usersChange = before.users.operations.filter(({ id }) => id === qemuUsersStepId(desired));
  const after = [...before.host.ready, ...usersChange.map(({ id }) => id)];
  const work = workOnHost(desired, ready, snapshot, { users, uploads, after, roots });
  const { change, operations, rendered } = work;
  if (change.action === 'noop') return { changes: [change], operations, obstacles };
  const isRunning = snapshot.evidence.get(desired.name)?.running === true;
  const ofToolstack =
    toolstack === 'xl'
      ? xlCautions(desired, capabilities, isRunning)
      : qemuCautions(desired, driversOf(rendered.plan.shares));
  const warnings = [...ofToolstack, ...cautionsOnHost(desired, capabilities, snapshot, neighbours)];
  return { changes: [change], operations, obstacles, warnings };
}

function joined(one: Part, other: Part): Part {
  return {
    changes: [...one.changes, ...other.changes],
    operations: [...one.operations, ...other.operations],
    obstacles: [...one.obstacles, ...other.obstacles],
  };
}

function foreignOwner(guest: GuestDesired, owner: string | undefined): readonly Diagnostic[] {
  if (owner === undefined || owner === guest.fleet) return [];
  const resource = describeAddress(guestAddress(guest));
  return [
    problem('record-foreign', `${resource} belongs to fleet ${JSON.stringify(owner)}`, {
      host: guest.host,
      resource,
      hint: 'Choose another name for the guest: what another fleet owns is never touched.',
    }),
  ];
}

function withoutUsers(guest: GuestDesired): Diagnostic {
  const resource = describeAddress(guestAddress(guest));
  return problem('users-missing', `${resource}: no ${guest.scheme} users are defined for the host`, {
    host: guest.host,
    resource,
    hint: 'Define users of that scheme for the host.',
  });
}
