import { type Indexed, namespacesOf } from './evidence-index.ts';
import { namespaceKinds, type SharedNamespaces } from './observation.ts';

/** Who is in a namespace, in words: `guest "web1"`. */
export type NamespaceOwners = ReadonlyMap<string, ReadonlySet<string>>;

export const helperOwner = (unit: string): string => `the helper ${JSON.stringify(unit)}`;

/** Guests and helpers by namespace, without the host's own. */
export function namespaceOwners(raw: Indexed): NamespaceOwners {
  const hosts = new Set(Object.values(namespacesOf(1, raw)));
  const owners = new Map<string, Set<string>>();
  const note = (owner: string, pids: readonly number[]) => {
    for (const own of pids.flatMap((pid) => Object.values(namespacesOf(pid, raw)))) {
      if (!hosts.has(own)) owners.set(own, (owners.get(own) ?? new Set()).add(owner));
    }
  };
  for (const { name, pids } of raw.guests.values()) note(`guest "${name}"`, pids);
  for (const { id, pids } of raw.helpers) note(helperOwner(id), pids);
  return owners;
}

export function sharedNamespaces(
  pids: readonly number[],
  self: string,
  owners: NamespaceOwners,
  raw: Indexed,
): SharedNamespaces {
  const shared: Partial<Record<(typeof namespaceKinds)[number], string>> = {};
  for (const pid of pids) {
    const namespaces = namespacesOf(pid, raw);
    for (const kind of namespaceKinds) {
      const other = [...(owners.get(namespaces[kind] ?? '') ?? [])].find((name) => name !== self);
      if (other !== undefined) shared[kind] = other;
    }
  }
  return shared;
}
