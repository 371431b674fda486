import type { HostSnapshot } from '../../engine/snapshot.ts';
import { isolationProblems } from '../../engine/verify.ts';
import { type Address, describeAddress } from '../../model/address.ts';
import { type Diagnostic, failure, problem, type Result, success } from '../../model/diagnostic.ts';
import type { LayerName } from '../../model/evidence.ts';
import { namePattern } from '../../model/names.ts';
import { guestUnit } from '../../model/paths.ts';
import type { Toolstack } from '../../model/toolstack.ts';
import { type GuestDesired, guestAddress } from '../../resources/guest/desired.ts';
import { guestDiff } from '../../resources/guest/diff.ts';
import { fileObstacles } from '../../resources/guest/file-obstacles.ts';
import { withRecordChecked } from '../../resources/guest/record-state.ts';
import { guestOperations, guestRemoval, guestStop } from '../../resources/guest/operations.ts';
import { guestObstacles } from '../../resources/guest/render.ts';
import { readyHost, renderFor } from '../../resources/guest/rendering.ts';
import { domainObstacles } from '../../resources/guest/xl-obstacles.ts';
import { layerObstacle } from '../../resources/guest/requests.ts';
import { shareSourceCautions, shareSourceObstacles } from '../../resources/guest/share-source-checks.ts';
import { launchShares } from '../../resources/guest/shares.ts';
import {
  otherGuests,
  sharedShareCautions,
  sharedShareObstacles,
} from '../../resources/guest/share-conflicts.ts';
import { capabilitiesFor } from '../../resources/host/facts.ts';
import { leasable } from '../../resources/qemu-users/operations.ts';
import { guestSchema } from '../../spec/guest.ts';
import { type DefinedGuest, defineGuest } from '../../executor/defined-guest.ts';
import type { LocalFiles } from '../../executor/local-files.ts';
import type { Kind, Safety, Wish, Work } from '../kind.ts';
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
  const prepared = facts.owners.has(desired.fleet);
  const capabilities = capabilitiesFor(facts, desired.fleet);
  const served = prepared ? launchShares(desired, capabilities) : [];
  return [
    ...(prepared ? guestObstacles(desired, capabilities) : []),
    ...(prepared && capabilities.toolstack === 'xl' ? domainObstacles(desired, snapshot.domains) : []),
    ...shareSourceObstacles(desired, snapshot.sources, served),
    ...sharedShareObstacles(desired, otherGuests([desired], snapshot.guests)),
    ...fileObstacles(desired, uploads, snapshot.files),
  ];
}

function work(wanted: WantedGuest, snapshot: HostSnapshot): Result<Work> {
  const { desired, uploads } = wanted;
  const capabilities = readyHost(capabilitiesFor(snapshot.facts, desired.fleet));
  const users = snapshot.users.get(desired.scheme);
  const offered = users === undefined ? undefined : leasable(users, desired.fleet);
  const inTheWay = obstacles(wanted, snapshot);
  if (inTheWay.length > 0) return failure(...inTheWay);
  if (capabilities === undefined || !snapshot.facts.owners.has(desired.fleet))
    return failure(notPrepared(desired));
  if (offered === undefined) return failure(withoutUsers(desired));
  const facts = snapshot.guests.get(desired.name);
  const rendered = renderFor(desired, capabilities);
  const why = (layer: LayerName) => layerObstacle(layer, capabilities);
  const drift = guestDiff(desired, facts, snapshot.evidence.get(desired.name), rendered, why);
  const change = withRecordChecked(drift, facts);
  const missing = [...uploads].filter(([digest]) => !snapshot.files.has(digest));
  const operations = guestOperations({
    change,
    desired,
    facts,
    users: offered,
    rendered,
    uploads: new Map(missing),
  });
  return success({ change, operations });
}

/** A guest whose place this one takes is none of the others: it is gone by then. */
function cautions(
  { desired }: WantedGuest,
  snapshot: HostSnapshot,
  prior: ObjectValue | null,
): readonly Diagnostic[] {
  const served = launchShares(desired, capabilitiesFor(snapshot.facts, desired.fleet));
  const others = otherGuests([desired], snapshot.guests).filter(
    ({ name }) => prior?.['host'] !== desired.host || prior['name'] !== name,
  );
  return [...shareSourceCautions(desired, snapshot.sources, served), ...sharedShareCautions(desired, others)];
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
    safety,
  };
}

const safety: Safety = {
  runs: ({ name }, snapshot) => snapshot.evidence.get(name)?.running === true,
  dangers: ({ name }, snapshot) => isolationProblems(name, snapshot),
  halt: ({ host, name }, fleet, snapshot) =>
    guestStop({ host, name }, fleet, snapshot.guests.get(name)?.generation ?? 'any'),
  haltByHand: ({ name }) => `systemctl stop ${guestUnit(name)}`,
};
