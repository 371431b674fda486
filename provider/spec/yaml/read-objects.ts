import type { z } from 'zod';
import type { Diagnostic } from '../../model/diagnostic.ts';
import type { WrittenGuest } from '../definitions.ts';
import { type HostEntry, hostEntrySchema } from '../fleet.ts';
import { type GuestSpec, guestSchema } from '../guest.ts';
import { type HostSpec, hostSchema } from '../host.ts';
import { type QemuUsersSpec, qemuUsersSchema, userSchemes } from '../qemu-users.ts';
import { mergeTrees } from './merge.ts';
import { isName, type Placed, type ReadObject, readSpec, setFields, Unique } from './objects.ts';
import { definitionProblem, blameUnknownName } from './problems.ts';
import { asMap, Profiles } from './profiles.ts';
import { hostPart, usersPart } from './schema.ts';
import type { Sections } from './sections.ts';
import { spotAt } from './tree.ts';

type Written<S extends z.ZodType> = z.input<S>;

/** A host is an entry of the inventory and a resource at once. */
export interface ReadHost extends ReadObject<Written<typeof hostSchema>, HostSpec> {
  readonly writtenEntry: Written<typeof hostEntrySchema>;
  readonly entry: HostEntry | undefined;
}
export type ReadUsers = ReadObject<Written<typeof qemuUsersSchema>, QemuUsersSpec>;
export type ReadGuest = ReadObject<WrittenGuest, GuestSpec>;

const { name: _name, ...hostFields } = hostSchema.shape;
const resourceFields = Object.keys(hostFields);

export function readHosts({ hosts, defaults }: Sections, problems: Diagnostic[]): ReadHost[] {
  return [...hosts].flatMap(([name, entry]) => {
    const own = asMap(entry);
    // A name that is none was told with the file.
    if (own === undefined || !isName(name)) return [];
    const tree = mergeTrees(defaults.hosts, own, hostPart);
    const placed: Placed = { tree, path: ['hosts', name], top: entry.key };
    const writtenEntry = setFields(tree, hostEntrySchema) as Written<typeof hostEntrySchema>;
    const set = Object.fromEntries(
      Object.entries(setFields(tree, hostSchema)).filter(([key]) => resourceFields.includes(key)),
    );
    const written = { name, ...set };
    return [
      {
        ...placed,
        ...{ address: { kind: 'host', host: name, name }, written, writtenEntry },
        spec: readSpec(placed, hostSchema, written, problems),
        entry: readSpec(placed, hostEntrySchema, writtenEntry, problems),
      },
    ];
  });
}

/** Sets of users, each on a host that is there, one of a kind. */
export function readUsers({ users, hosts, defaults }: Sections, problems: Diagnostic[]): ReadUsers[] {
  const unique = new Unique(problems);
  return users
    .flatMap(({ items }) => items.map((item, index) => ({ item, index })))
    .flatMap(({ item, index }) => {
      if (item.kind !== 'map') return [];
      const tree = mergeTrees(defaults.users, item, usersPart);
      const placed: Placed = { tree, path: ['users', index], top: item };
      const written = setFields(tree, qemuUsersSchema) as Written<typeof qemuUsersSchema>;
      const spec = readSpec(placed, qemuUsersSchema, written, problems);
      checkHost(placed, hosts, problems);
      if (spec !== undefined) {
        const id = `${spec.host}/${spec.scheme}`;
        unique.claim(
          id,
          placed,
          `are users of ${spec.host} of the scheme ${spec.scheme}`,
          'Keep one of them.',
        );
      }
      const { host, scheme = 'per-domain' } = written;
      return [{ ...placed, address: { kind: 'qemu-users', host, name: scheme }, written, spec }];
    });
}

/** Guests with all that they inherit, each on a host that is there and as one of its users. */
export function readGuests(
  { guests, profiles, defaults, hosts }: Sections,
  users: readonly ReadUsers[],
  problems: Diagnostic[],
): ReadGuest[] {
  const inherited = new Profiles(profiles, defaults.guests, problems);
  const schemes = schemesByHost(users);
  const unique = new Unique(problems);
  return [...guests].flatMap(([key, entry]) => {
    const own = asMap(entry);
    if (own === undefined || !isName(key)) return [];
    const path = ['guests', key];
    const placed: Placed = { tree: inherited.complete(own, path), path, top: entry.key };
    const { users: named, ...set } = setFields(placed.tree, guestSchema);
    const host = checkHost(placed, hosts, problems);
    const scheme = host === undefined ? undefined : schemeOf(placed, host, named, schemes, problems);
    const name = typeof set['name'] === 'string' ? set['name'] : key;
    const id = `${String(set['host'])}/${scheme ?? userSchemes[0]}`;
    const written = { ...set, name, users: id } as Written<typeof guestSchema>;
    const spec = readSpec(placed, guestSchema, written, problems, 'users');
    if (host !== undefined) {
      const hint = 'Give one of them another name, or another host.';
      unique.claim(`${host}/${name}`, placed, `is the same guest, ${name} on ${host},`, hint);
    }
    const address = { kind: 'guest', host: String(set['host']), name } as const;
    return [{ ...placed, address, written: { key, ...written }, spec }];
  });
}

function schemesByHost(users: readonly ReadUsers[]): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const { address } of users) {
    const known = found.get(address.host);
    if (known === undefined) found.set(address.host, [address.name]);
    else known.push(address.name);
  }
  return found;
}

/** @returns the host, where the definitions have it */
function checkHost(
  { tree, path }: Placed,
  hosts: Sections['hosts'],
  problems: Diagnostic[],
): string | undefined {
  const named = tree.entries.get('host')?.value;
  if (named?.kind !== 'scalar' || !isName(named.value)) return undefined;
  if (hosts.has(named.value)) return named.value;
  const what = `names a host that is not there: ${named.value}`;
  blameUnknownName(problems, [...path, 'host'], named, what, 'Hosts', hosts.keys());
  return undefined;
}

function schemeOf(
  { tree, path, top }: Placed,
  host: string,
  named: unknown,
  schemes: ReadonlyMap<string, readonly string[]>,
  problems: Diagnostic[],
): string | undefined {
  const known = schemes.get(host) ?? [];
  const spot = spotAt(tree, ['users'], top);
  const blame = (what: string, hint: string) => {
    problems.push(definitionProblem([...path, 'users'], spot, what, hint, 'definition-no-users'));
    return undefined;
  };
  if (named === undefined) {
    const [only, ...others] = known;
    if (only === undefined)
      return blame(`cannot be chosen: ${host} has no users for guests`, `Add to users: "- host: ${host}".`);
    if (others.length > 0)
      return blame(`is required: ${host} has users of several schemes`, `Choose one of ${known.join(', ')}.`);
    return only;
  }
  const scheme = userSchemes.find((one) => one === named);
  if (scheme === undefined) return undefined;
  if (known.includes(scheme)) return scheme;
  const has = known.length === 0 ? 'it has none' : `it has ${known.join(', ')}`;
  return blame(
    `names users that are not there: ${host} has none of the scheme ${scheme}`,
    `Add to users: "- host: ${host}" with "scheme: ${scheme}" (${has}).`,
  );
}
