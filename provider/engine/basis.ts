import { createHash } from 'node:crypto';
import { type Address, describeAddress } from '../model/address.ts';
import type { Change } from '../model/change.ts';
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

/** What is done to one object. */
export type ChangedObject = Pick<Change, 'address' | 'action'>;

/** What a host shows of everything that changes of these objects depend on. */
export function basisOf(wish: HostWish, changed: readonly ChangedObject[], snapshot: HostSnapshot): Basis {
  if (changed.length === 0) return {};
  const named = (kind: Address['kind']) =>
    changed.filter(({ address }) => address.kind === kind).map(({ address }) => address.name);
  const names = new Set(named('guest'));
  const guests = wish.guests.filter(({ name }) => names.has(name));
  const schemes = new Set([
    ...named('qemu-users').map((name) => name as UserScheme),
    ...guests.map(({ scheme }) => scheme),
  ]);
  const { files, sources } = snapshot;
  const basis = [
    ...hostFacts(wish, snapshot),
    ...dependents(wish, changed, snapshot),
    ...[...schemes].flatMap((scheme) => usersFacts(wish, scheme, snapshot)),
    ...[...names].flatMap((name) => guestFacts(name, snapshot)),
    ...[...new Set(guests.flatMap(uploadedDigests))].map(
      (digest) => [`file sha256:${digest}`, files.has(digest) ? 'on the host' : 'not on the host'] as const,
    ),
    ...[...new Set(guests.flatMap(({ shares }) => sharedSources(shares)))].map(
      (path) => [`directory ${path}`, digestOf(sources.get(plainPath(path)) ?? null)] as const,
    ),
  ];
  return Object.fromEntries(basis.map(([name, value]) => [bounded(name), bounded(value)]));
}

type Facts = readonly (readonly [string, string])[];

const longest = 1000;

/** What is long is told by its beginning and a digest: a plan on file has limits. */
function bounded(text: string): string {
  return text.length <= longest ? text : `${text.slice(0, 200)}… (sha256:${digestOf(text)})`;
}

function about(address: Address, facts: Readonly<Record<string, unknown>>): Facts {
  const whose = describeAddress(address);
  return Object.entries(facts).map(([name, value]) => [`${whose}: ${name}`, String(value)] as const);
}

/**
 * Users and the host itself go only where no guest of the fleet needs them: which there are decides whether all of the removal can be done.
 */
function dependents(
  { host: { host, fleet } }: HostWish,
  changed: readonly ChangedObject[],
  { guests, users }: HostSnapshot,
): Facts {
  const leaves = (kind: Address['kind']) =>
    changed.some(({ address, action }) => action === 'delete' && address.kind === kind);
  const own = [...guests.values()].filter(({ owner }) => owner === fleet).map(({ name }) => name);
  const sets = [...users].filter(([, { owners }]) => owners.has(fleet)).map(([scheme]) => scheme);
  const list = (names: readonly string[]) => (names.length === 0 ? 'none' : [...names].sort().join(' '));
  return about(hostAddress({ host }), {
    ...(leaves('host') || leaves('qemu-users') ? { [`guests of fleet ${fleet}`]: list(own) } : {}),
    ...(leaves('host') ? { [`users of fleet ${fleet}`]: list(sets) } : {}),
  });
}

/** A reboot in between changes nothing that is planned: neither the boot nor the kernel's release is in it, nor what memory is free. */
function hostFacts(
  { host: { host, fleet, qemuBinary, toolstack } }: HostWish,
  { facts }: HostSnapshot,
): Facts {
  const { qemu, xen, ...rest } = capabilitiesWith(facts, qemuBinary, toolstack);
  const lasting = xen === undefined ? undefined : { ...xen, freeMemoryMib: 0, complaint: '' };
  return about(hostAddress({ host }), {
    generation: facts.owners.get(fleet)?.generation ?? 'not prepared',
    QEMU: qemu === undefined ? 'none' : `${qemu.version} (${qemu.binary})`,
    capabilities: digestOf({ ...rest, qemu, xen: lasting, bootId: '', kernel: '' }),
    ...hostIntegrity(facts),
  });
}

function usersFacts({ host: { host, fleet } }: HostWish, scheme: UserScheme, { users }: HostSnapshot): Facts {
  const facts = users.get(scheme);
  const owner = facts?.owners.get(fleet);
  return about(qemuUsersAddress({ host, scheme }), {
    generation: owner?.generation ?? 'not there',
    domids: owner === undefined ? 'none' : `${owner.firstDomid}-${owner.lastDomid}`,
    uidBase: facts?.record?.uidBase ?? 'none',
    ...(facts === undefined || owner === undefined ? {} : qemuUsersIntegrity(facts, fleet)),
  });
}

function guestFacts(name: string, { host, guests, evidence }: HostSnapshot): Facts {
  const facts = guests.get(name);
  const address = guestAddress({ host, name });
  if (facts === undefined) return about(address, { generation: 'not there' });
  const seen = evidence.get(name);
  const { isolation: _told, ...integrity } = guestIntegrity(facts, seen, undefined);
  return about(address, {
    owner: facts.owner,
    generation: facts.generation,
    definition: facts.digest,
    files:
      facts.changedFiles.length === 0 ? 'ok' : `changed or gone: ${[...facts.changedFiles].sort().join(' ')}`,
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
    operations.map(({ id, needs, after = [], step }) => [
      id,
      needs.filter((need) => ids.has(need)),
      after.filter((one) => ids.has(one)),
      step.body.text,
      step.kind === 'collective' ? step.argument : (step.uploads ?? []).map(({ sha256 }) => sha256),
    ]),
  );
}

/** Equal values, equal digest; the order in which a set or a map was filled does not count. */
export function digestOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value, listed)).digest('hex');
}

/** JSON has neither sets nor maps: without this all of them would be equal. */
function listed(_key: string, value: unknown): unknown {
  if (value instanceof Set) return inOrder([...(value as ReadonlySet<unknown>)]);
  if (value instanceof Map) return inOrder([...(value as ReadonlyMap<unknown, unknown>)]);
  return value;
}

function inOrder(all: readonly unknown[]): readonly unknown[] {
  const texts = all.map((one) => ({ one, text: JSON.stringify(one, listed) }));
  return texts.sort((a, b) => (a.text < b.text ? -1 : Number(a.text > b.text))).map(({ one }) => one);
}
