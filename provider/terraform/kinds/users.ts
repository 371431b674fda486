import type { HostSnapshot } from '../../engine/snapshot.ts';
import type { Address } from '../../model/address.ts';
import { failure, problem, type Result, success } from '../../model/diagnostic.ts';
import type { Operation } from '../../model/operation.ts';
import { namePattern } from '../../model/names.ts';
import { qemuUsersObstacles } from '../../resources/qemu-users/checks.ts';
import { type QemuUsersDesired, qemuUsersDesired } from '../../resources/qemu-users/desired.ts';
import { qemuUsersDiff } from '../../resources/qemu-users/diff.ts';
import type { QemuUsersFacts } from '../../resources/qemu-users/facts.ts';
import { qemuUsersIntegrity } from '../../resources/qemu-users/integrity.ts';
import { qemuUsersAddress } from '../../resources/qemu-users/names.ts';
import { qemuUsersOperations, qemuUsersRemoval } from '../../resources/qemu-users/operations.ts';
import { resolveIds } from '../../resources/qemu-users/uid-base.ts';
import { qemuUsersSchema, type UserScheme, userSchemes } from '../../spec/qemu-users.ts';
import { attribute, type ObjectValue, type Schema, isUnknown, UNKNOWN } from '../../tfplugin/types.ts';
import { integrityAttribute, intactOf } from '../integrity.ts';
import type { Found, Kind, Work } from '../kind.ts';
import { attributesOf } from '../schema.ts';
import { integrityProblems } from './integrity-problems.ts';

const parts = {
  users: 'Every user is there, with its uid and group, without home, shell or password; and none too many.',
  reaper: 'The user that ends the processes of others is there.',
  groups: "Every user's own group is there, without members.",
  record: "The host's record of the set can be read.",
} as const;

const schema: Schema = {
  description:
    'The users that device models run as: one set per host and scheme, shared by all fleets on the host.',
  attributes: attributesOf(qemuUsersSchema, 'resource', {
    id: attribute.string({ computed: true, keepWhenUpdated: true, description: '`HOST/SCHEME`.' }),
    integrity: integrityAttribute(parts),
  }),
};

function isScheme(text: unknown): text is UserScheme {
  return userSchemes.some((scheme) => scheme === text);
}

function schemeOf(address: Address): UserScheme {
  return isScheme(address.name) ? address.name : 'per-domain';
}

function factsOf(snapshot: HostSnapshot, scheme: UserScheme): Result<QemuUsersFacts> {
  const facts = snapshot.users.get(scheme);
  return facts === undefined
    ? failure(
        problem(
          'observation-malformed',
          `host ${snapshot.host} did not say which users of scheme ${scheme} it has`,
          {
            hint: 'Run again.',
            host: snapshot.host,
          },
        ),
      )
    : success(facts);
}

function find(
  snapshot: HostSnapshot,
  address: Address,
  fleet: string,
  prior: ObjectValue,
): Found | undefined {
  const facts = snapshot.users.get(schemeOf(address));
  const ours = facts?.owners.get(fleet);
  if (facts === undefined || ours === undefined) return undefined;
  return {
    owners: [fleet],
    state: {
      ...prior,
      id: `${address.host}/${address.name}`,
      host: address.host,
      scheme: address.name,
      first_domid: ours.firstDomid,
      last_domid: ours.lastDomid,
      uid_base: facts.record?.uidBase ?? prior['uid_base'] ?? null,
      integrity: { ...qemuUsersIntegrity(facts, fleet) },
    },
  };
}

function work(desired: QemuUsersDesired, snapshot: HostSnapshot): Result<Work> {
  const facts = factsOf(snapshot, desired.scheme);
  if (!facts.ok) return facts;
  const ids = resolveIds(desired, facts.value);
  if (!ids.ok) return ids;
  const obstacles = qemuUsersObstacles(desired, ids.value, facts.value);
  if (obstacles.length > 0) return failure(...obstacles);
  const change = qemuUsersDiff(desired, ids.value, facts.value);
  const operations = qemuUsersOperations({ change, desired, ids: ids.value, facts: facts.value });
  return success({ change, operations });
}

function dependents(address: Address, fleet: string, snapshot: HostSnapshot): readonly string[] {
  return [...snapshot.guests.values()]
    .filter((guest) => guest.owner === fleet && guest.stored?.scheme === address.name)
    .map((guest) => `guest ${guest.name}`);
}

function removal(address: Address, fleet: string, snapshot: HostSnapshot): Result<readonly Operation[]> {
  const scheme = schemeOf(address);
  const generation = snapshot.users.get(scheme)?.owners.get(fleet)?.generation ?? 'any';
  return success(qemuUsersRemoval({ host: address.host, scheme }, fleet, generation));
}

export const usersKind: Kind<typeof qemuUsersSchema, QemuUsersDesired> = {
  type: 'stockade_qemu_users',
  spec: qemuUsersSchema,
  schema,
  idForm: `HOST/SCHEME, SCHEME being one of ${userSchemes.join(', ')}`,
  parseId: (id) => {
    const [host = '', scheme = '', ...rest] = id.split('/');
    return rest.length === 0 && namePattern.test(host) && isScheme(scheme) ? { id, host, scheme } : undefined;
  },
  address: ({ host, scheme }) =>
    typeof host === 'string' && isScheme(scheme) ? qemuUsersAddress({ host, scheme }) : undefined,
  find,
  want: async ({ spec, fleet }) => success(qemuUsersDesired(spec, fleet)),
  obstacles: (desired, snapshot) => {
    const tried = work(desired, snapshot);
    return tried.ok ? [] : tried.diagnostics;
  },
  work,
  dependents,
  removal,
  plan: (planned, prior) => ({
    ...planned,
    id:
      typeof planned['host'] === 'string' && typeof planned['scheme'] === 'string'
        ? `${planned['host']}/${planned['scheme']}`
        : UNKNOWN,
    uid_base:
      isUnknown(planned['uid_base']) && prior !== null
        ? (prior['uid_base'] ?? UNKNOWN)
        : (planned['uid_base'] ?? UNKNOWN),
    integrity: intactOf(parts),
  }),
  verify: (address, desired, snapshot) =>
    integrityProblems(address, find(snapshot, address, desired.fleet, {})),
};
