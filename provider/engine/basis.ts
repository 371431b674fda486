import { createHash } from 'node:crypto';
import { type Address, describeAddress } from '../model/address.ts';
import type { Operation } from '../model/operation.ts';
import { guestAddress, uploadedDigests } from '../resources/guest/desired.ts';
import { guestIntegrity, isIsolated } from '../resources/guest/integrity.ts';
import { sharedSources } from '../resources/guest/share-source-checks.ts';
import { hostAddress } from '../resources/host/desired.ts';
import { capabilitiesWith } from '../resources/host/facts.ts';
import { hostIntegrity } from '../resources/host/integrity.ts';
import { qemuUsersIntegrity } from '../resources/qemu-users/integrity.ts';
import { qemuUsersAddress } from '../resources/qemu-users/names.ts';
import { plainPath } from '../spec/plain-path.ts';
import type { UserScheme } from '../spec/qemu-users.ts';
import type { HostWish } from './plan.ts';
import type { HostSnapshot } from './snapshot.ts';

/**
 * What a plan of one host rests on, by name: `guest web1 on hv1: generation`. Only what its changes depend on is in it, so that what
 * happens beside them (another fleet's guest, a restart of the host) does not speak against the plan.
 */
export type Basis = Readonly<Record<string, string>>;

/** What a host shows of everything that changes of these objects depend on. */
export function basisOf(wish: HostWish, changed: readonly Address[], snapshot: HostSnapshot): Basis {
  if (changed.length === 0) return {};
  const names = new Set(changed.filter(({ kind }) => kind === 'guest').map(({ name }) => name));
  const guests = wish.guests.filter(({ name }) => names.has(name));
  const schemes = new Set([
    ...changed.filter(({ kind }) => kind === 'qemu-users').map(({ name }) => name as UserScheme),
    ...guests.map(({ scheme }) => scheme),
  ]);
  const { files, sources } = snapshot;
  return Object.fromEntries([
    ...hostFacts(wish, snapshot),
    ...[...schemes].flatMap((scheme) => usersFacts(wish, scheme, snapshot)),
    ...[...names].flatMap((name) => guestFacts(name, snapshot)),
    ...[...new Set(guests.flatMap(uploadedDigests))].map(
      (digest) => [`file sha256:${digest}`, files.has(digest) ? 'on the host' : 'not on the host'] as const,
    ),
    ...[...new Set(guests.flatMap(({ shares }) => sharedSources(shares)))].map(
      (path) => [`directory ${path}`, digestOf(sources.get(plainPath(path)) ?? null)] as const,
    ),
  ]);
}

type Facts = readonly (readonly [string, string])[];

function named(address: Address, facts: Readonly<Record<string, unknown>>): Facts {
  const whose = describeAddress(address);
  return Object.entries(facts).map(([name, value]) => [`${whose}: ${name}`, String(value)] as const);
}

/** A reboot in between changes nothing that is planned: neither the boot nor the kernel's release is in it. */
function hostFacts({ host: { host, fleet, qemuBinary } }: HostWish, { facts }: HostSnapshot): Facts {
  const { qemu, ...rest } = capabilitiesWith(facts, qemuBinary);
  return named(hostAddress({ host }), {
    generation: facts.owners.get(fleet)?.generation ?? 'not prepared',
    QEMU: qemu === undefined ? 'none' : `${qemu.version} (${qemu.binary})`,
    capabilities: digestOf({ ...rest, qemu, bootId: '', kernel: '' }),
    ...hostIntegrity(facts),
  });
}

function usersFacts({ host: { host, fleet } }: HostWish, scheme: UserScheme, { users }: HostSnapshot): Facts {
  const facts = users.get(scheme);
  const owner = facts?.owners.get(fleet);
  return named(qemuUsersAddress({ host, scheme }), {
    generation: owner?.generation ?? 'not there',
    domids: owner === undefined ? 'none' : `${owner.firstDomid}-${owner.lastDomid}`,
    uidBase: facts?.record?.uidBase ?? 'none',
    ...(facts === undefined || owner === undefined ? {} : qemuUsersIntegrity(facts, fleet)),
  });
}

function guestFacts(name: string, { host, guests, evidence }: HostSnapshot): Facts {
  const facts = guests.get(name);
  const address = guestAddress({ host, name });
  if (facts === undefined) return named(address, { generation: 'not there' });
  const seen = evidence.get(name);
  const { isolation: _told, ...integrity } = guestIntegrity(facts, seen, undefined);
  return named(address, {
    owner: facts.owner,
    generation: facts.generation,
    definition: facts.digest,
    ...integrity,
    // its words name processes, which change by themselves
    isolation: isIsolated(seen) ? 'ok' : 'not as asked',
  });
}

/** What differs between what was seen then and now, in words. */
export function basisDifferences(then: Basis, now: Basis): readonly string[] {
  const names = [...new Set([...Object.keys(then), ...Object.keys(now)])];
  return names.flatMap((name) => {
    const [was, is] = [then[name] ?? 'not looked at', now[name] ?? 'not looked at'];
    return was === is ? [] : [`${name}: ${was} -> ${is}`];
  });
}

/** Names exactly what would be run on a host. Equal operations, equal digest. */
export function operationsDigest(operations: readonly Operation[]): string {
  const ids = new Set(operations.map(({ id }) => id));
  return digestOf(
    operations.map(({ id, needs, step }) => [
      id,
      needs.filter((need) => ids.has(need)),
      step.body.text,
      step.kind === 'collective' ? step.argument : (step.uploads ?? []).map(({ sha256 }) => sha256),
    ]),
  );
}

export function digestOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}
