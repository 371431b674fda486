import type { HostSnapshot } from '../../engine/snapshot.ts';
import type { Address } from '../../model/address.ts';
import { type Diagnostic, failure, type Result, success } from '../../model/diagnostic.ts';
import { namePattern } from '../../model/names.ts';
import { hostObstacles } from '../../resources/host/checks.ts';
import { type HostDesired, hostAddress, hostDesired } from '../../resources/host/desired.ts';
import { hostDiff } from '../../resources/host/diff.ts';
import { hostIntegrity } from '../../resources/host/integrity.ts';
import { hostOperations, hostRemoval } from '../../resources/host/operations.ts';
import { hostSchema } from '../../spec/host.ts';
import { attribute, type ObjectValue, type Schema, UNKNOWN } from '../../tfplugin/types.ts';
import { integrityAttribute, intactOf } from '../integrity.ts';
import type { Found, Kind, Work } from '../kind.ts';
import { attributesOf } from '../schema.ts';
import { hostSummaryAttributes, hostSummaryValues } from './host-facts.ts';
import { plannedReport, probeReportAttribute, tryProbes } from './host-probes.ts';
import { integrityProblems } from './integrity-problems.ts';

const parts = {
  directories:
    "Directories and records below /var/lib/stockade and /run/stockade are there, and root's alone.",
  unit_template: 'The systemd unit that guests are instances of is as it was written, without additions.',
  logger_user: 'The unprivileged user that writes logs is there.',
  apparmor_profile:
    'The AppArmor profile of guests is as it was written, loaded and enforced. Also ok where the host has no AppArmor.',
} as const;

const schema: Schema = {
  description:
    'A hypervisor host, prepared for guests: directories, unit template, logger user, AppArmor profile. Several fleets may share one; what is shared goes with the last of them.',
  attributes: attributesOf(hostSchema, 'resource', {
    id: attribute.string({ computed: true, keepWhenUpdated: true, description: "The host's name." }),
    integrity: integrityAttribute(parts),
    probe_report: probeReportAttribute,
    ...hostSummaryAttributes,
  }),
};

function find(
  snapshot: HostSnapshot,
  address: Address,
  fleet: string,
  prior: ObjectValue,
): Found | undefined {
  const { facts } = snapshot;
  const ours = facts.owners.get(fleet);
  if (ours === undefined) return undefined;
  const { directories, unitTemplate, loggerUser, apparmorProfile } = hostIntegrity(facts);
  return {
    owners: [fleet],
    state: {
      ...prior,
      id: address.host,
      name: address.host,
      qemu_binary: ours.qemuBinary ?? null,
      toolstack: ours.toolstack,
      integrity: {
        directories,
        unit_template: unitTemplate,
        logger_user: loggerUser,
        apparmor_profile: apparmorProfile,
      },
      ...hostSummaryValues(facts, fleet),
    },
  };
}

function obstacles(desired: HostDesired, { facts }: HostSnapshot): readonly Diagnostic[] {
  return hostObstacles(desired, facts);
}

function work(desired: HostDesired, snapshot: HostSnapshot): Result<Work> {
  const { facts } = snapshot;
  const inTheWay = obstacles(desired, snapshot);
  if (inTheWay.length > 0) return failure(...inTheWay);
  const change = hostDiff(desired, facts);
  return success({ change, operations: hostOperations({ change, desired, facts }) });
}

/** What the host is like does not change with an update; only another QEMU answers differently. */
function plan(planned: ObjectValue, prior: ObjectValue | null): ObjectValue {
  const same = (name: string) => (planned[name] ?? null) === (prior?.[name] ?? null);
  const sameQemu = prior !== null && same('qemu_binary') && same('toolstack');
  // a host of Xen's has no QEMU of its own; else null is what an older state does not say
  const unsaid = (name: string) => (name === 'qemu' && planned['toolstack'] === 'xl' ? null : UNKNOWN);
  const facts = Object.keys(hostSummaryAttributes).map((name) => [
    name,
    sameQemu ? (prior[name] ?? unsaid(name)) : UNKNOWN,
  ]);
  return {
    ...planned,
    id: planned['name'] ?? UNKNOWN,
    integrity: intactOf(parts),
    probe_report: plannedReport(planned, prior, sameQemu),
    ...Object.fromEntries(facts),
  } as ObjectValue;
}

/** Users and guests of the fleet that need the host as it is prepared. */
function dependents({ facts }: HostSnapshot, fleet: string): readonly string[] {
  return [
    ...facts.guests.filter(({ owner }) => owner === fleet).map(({ guest }) => `guest ${guest}`),
    ...facts.userSets.filter(({ owner }) => owner === fleet).map(({ scheme }) => `users ${scheme}`),
  ];
}

export const hostKind: Kind<typeof hostSchema, HostDesired> = {
  type: 'stockade_host',
  spec: hostSchema,
  schema,
  idForm: 'HOST, a name in the inventory',
  parseId: (id) => (namePattern.test(id) ? { id, name: id } : undefined),
  address: ({ name }) => (typeof name === 'string' ? hostAddress({ host: name }) : undefined),
  find,
  want: async ({ spec, fleet }) => success(hostDesired(spec, fleet)),
  binaries: ({ qemu_binary }) => (typeof qemu_binary === 'string' ? [qemu_binary] : []),
  obstacles,
  work,
  dependents: (_address, fleet, snapshot) => dependents(snapshot, fleet),
  removal: (address, fleet, { facts }) =>
    success(hostRemoval({ host: address.host }, fleet, facts.owners.get(fleet)?.generation ?? 'any')),
  plan: (planned, prior) => plan(planned, prior),
  verify: (address, desired, snapshot) =>
    integrityProblems(address, find(snapshot, address, desired.fleet, {})),
  trial: tryProbes,
};
