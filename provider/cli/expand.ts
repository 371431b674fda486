import type { Target } from '../connect/target.ts';
import type { HostWish } from '../engine/plan.ts';
import { bounded } from '../executor/bounded.ts';
import { type DefinedGuest, defineGuest } from '../executor/defined-guest.ts';
import type { LocalFiles } from '../executor/local-files.ts';
import { targetOf } from '../executor/targets.ts';
import { type Address, describeAddress } from '../model/address.ts';
import { failure, type Result, success } from '../model/diagnostic.ts';
import { guestAddress } from '../resources/guest/desired.ts';
import { hostDesired } from '../resources/host/desired.ts';
import { qemuUsersDesired } from '../resources/qemu-users/desired.ts';
import type { Definitions } from '../spec/definitions.ts';
import type { GuestSpec } from '../spec/guest.ts';
import { addressesOf, placed } from './definitions.ts';
import { hostsConcerned, type Selection, wants } from './selection.ts';

/** What a fleet wants of one host, and how the host is reached. */
export interface HostIntent {
  readonly target: Target;
  readonly wish: HostWish;
  /** Whether anything is to be made or changed there; else only what no longer belongs there goes. */
  readonly makes: boolean;
  /** What must not be taken away: it is defined, or none of this command's business. */
  readonly keeps: (address: Address) => boolean;
}

export interface ExpandOptions {
  readonly selection: Selection;
  /** Everything that is selected goes, as if it were not defined. */
  readonly destroy?: boolean;
}

/** How many of this machine's files are looked at at the same time. */
const filesAtOnce = 16;

/** Definitions as what each host is to be like, with the digests of this machine's files. Hosts that nothing is wanted of are left out. */
export async function expand(
  definitions: Definitions,
  files: LocalFiles,
  { selection, destroy = false }: ExpandOptions,
): Promise<Result<readonly HostIntent[]>> {
  const wanted = destroy ? [] : definitions.guests.filter((guest) => wants(selection, guestAddress(guest)));
  const concerned = hostsConcerned(definitions, selection);
  const defined = await defineAll(wanted, definitions, files);
  if (!defined.ok) return defined;
  const guests = groupBy(defined.value, ({ desired }) => desired.host);
  const users = groupBy(definitions.users, ({ host }) => host);
  const keeps = keeper(definitions, selection, destroy);
  const { fleet, hosts } = definitions;
  return success(
    hosts.flatMap((spec) => {
      const entry = fleet.hosts[spec.name];
      const here = guests.get(spec.name) ?? [];
      if (entry === undefined || !concerned.has(spec.name)) return [];
      const whole = selection.wantsHost(spec.name);
      const needed = new Set(here.map(({ desired }) => desired.scheme));
      return [
        {
          target: targetOf(spec.name, entry),
          makes: !destroy && (whole || here.length > 0),
          wish: {
            host: hostDesired(spec, fleet.fleet),
            users: (users.get(spec.name) ?? [])
              .filter(({ scheme }) => whole || needed.has(scheme))
              .map((one) => qemuUsersDesired(one, fleet.fleet)),
            guests: here.map(({ desired }) => desired),
            uploads: new Map(here.flatMap(({ uploads }) => [...uploads])),
          },
          keeps,
        },
      ];
    }),
  );
}

function groupBy<One>(all: readonly One[], key: (one: One) => string): ReadonlyMap<string, readonly One[]> {
  const groups = new Map<string, One[]>();
  for (const one of all) {
    const group = groups.get(key(one));
    if (group === undefined) groups.set(key(one), [one]);
    else group.push(one);
  }
  return groups;
}

function keeper(definitions: Definitions, selection: Selection, destroy: boolean): HostIntent['keeps'] {
  const defined = new Set(addressesOf(definitions).map(describeAddress));
  return (address) => !wants(selection, address) || (!destroy && defined.has(describeAddress(address)));
}

async function defineAll(
  guests: readonly GuestSpec[],
  definitions: Definitions,
  files: LocalFiles,
): Promise<Result<readonly DefinedGuest[]>> {
  const { fleet } = definitions.fleet;
  const defined = await bounded(guests, filesAtOnce, async (guest) => ({
    resource: describeAddress(guestAddress(guest)),
    result: await defineGuest(files, guest, fleet),
  }));
  const faults = defined.flatMap(({ resource, result }) =>
    result.ok ? [] : result.diagnostics.map((fault) => ({ ...fault, resource })),
  );
  if (faults.length > 0) return failure(...placed(definitions, faults));
  return success(defined.flatMap(({ result }) => (result.ok ? [result.value] : [])));
}
