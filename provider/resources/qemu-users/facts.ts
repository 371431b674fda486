import { failure, problem, type Result, success } from '../../model/diagnostic.ts';
import type { ReadSection } from '../../model/operation.ts';
import { defaultRoots, type HostRoots } from '../../model/paths.ts';
import { sh, word } from '../../model/shell.ts';
import type { UserScheme } from '../../spec/qemu-users.ts';
import { userSchemes } from '../../spec/qemu-users.ts';
import { type AccountFacts, parseAccounts, readAccounts } from '../accounts/facts.ts';
import { grepRecords, type GreppedRecords, parseGrepped } from '../shared/records.ts';
import type { DomidRange } from './names.ts';

/** What the host keeps of a set of users: one record for all who share it. */
export interface UserSetRecord {
  readonly generation: number;
  readonly uidBase: number;
  readonly reaperUid: number;
}

/** One fleet's part in a set. */
export interface UserSetOwner extends DomidRange {
  readonly generation: number;
}

/** A guest and who it runs as. */
export interface LeasedUid {
  readonly guest: string;
  readonly owner: string;
  readonly uid: number;
}

/** What a host shows of one scheme's users. */
export interface QemuUsersFacts {
  readonly scheme: UserScheme;
  /** `undefined`: nobody made this set, or its record cannot be read (then `damaged` says why). */
  readonly record: UserSetRecord | undefined;
  readonly damaged: string | undefined;
  /** The fleets that want it, and their domids. */
  readonly owners: ReadonlyMap<string, UserSetOwner>;
  /** The other schemes' records. */
  readonly otherSets: ReadonlyMap<UserScheme, UserSetRecord>;
  readonly leased: readonly LeasedUid[];
  readonly accounts: AccountFacts;
}

export const qemuUsersSectionName = 'qemu-users';

/** Reads all schemes at once; two processes on an empty host, three on a used one. */
export function qemuUsersSection(roots: HostRoots = defaultRoots): ReadSection {
  const state = word(roots.state);
  return {
    name: qemuUsersSectionName,
    arguments: [],
    body: sh`${grepRecords([sh`${state}/users/*`, sh`${state}/users/*.owners/*`])}
printf '\\0'
set --
for lease in ${state}/guests/*/lease; do
  [ ! -f "$lease" ] || set -- "$@" "$lease" "\${lease%lease}record"
done
[ $# -eq 0 ] || grep -asE '^(owner|uid) ' /dev/null "$@"
printf '\\0'
${readAccounts}
printf '\\0'`,
  };
}

/** All three schemes, those nobody made included. */
export function parseQemuUsers(
  bytes: Uint8Array,
  roots: HostRoots = defaultRoots,
): Result<ReadonlyMap<UserScheme, QemuUsersFacts>> {
  const [records, leases, accounts, end, ...rest] = Buffer.from(bytes).toString('utf8').split('\0');
  if (
    records === undefined ||
    leases === undefined ||
    accounts === undefined ||
    end !== '' ||
    rest.length > 0
  ) {
    return failure(
      problem('observation-malformed', 'the observation of the users is cut or malformed', {
        hint: 'Run again. If it stays, look at the host: something other than Stockade answers there.',
      }),
    );
  }
  const parsed = parseAccounts(accounts);
  if (!parsed.ok) return parsed;
  const grepped = parseGrepped(records, `${roots.state}/users/`);
  const sets = new Map(userSchemes.flatMap((scheme) => setOf(grepped, scheme)));
  const leased = leasesOf(leases, `${roots.state}/guests/`);
  return success(
    new Map(
      userSchemes.map((scheme) => [
        scheme,
        {
          scheme,
          record: sets.get(scheme),
          damaged: grepped.damaged.get(scheme),
          owners: ownersOf(grepped, scheme),
          otherSets: new Map([...sets].filter(([other]) => other !== scheme)),
          leased,
          accounts: parsed.value,
        },
      ]),
    ),
  );
}

function setOf(grepped: GreppedRecords, scheme: UserScheme): [UserScheme, UserSetRecord][] {
  const record = grepped.records.get(scheme);
  const uidBase = numeric(record?.values.get('uid_base'));
  const reaperUid = numeric(record?.values.get('reaper_uid'));
  if (record === undefined || uidBase === undefined || reaperUid === undefined) return [];
  return [[scheme, { generation: record.generation, uidBase, reaperUid }]];
}

function ownersOf(grepped: GreppedRecords, scheme: UserScheme): ReadonlyMap<string, UserSetOwner> {
  const owners = new Map<string, UserSetOwner>();
  for (const [path, record] of grepped.records) {
    const fleet = path.startsWith(`${scheme}.owners/`) ? path.slice(scheme.length + 8) : undefined;
    const firstDomid = numeric(record.values.get('first_domid'));
    const lastDomid = numeric(record.values.get('last_domid'));
    if (fleet !== record.owner || firstDomid === undefined || lastDomid === undefined) continue;
    owners.set(fleet, { generation: record.generation, firstDomid, lastDomid });
  }
  return owners;
}

/** `PATH:uid N` and `PATH:owner FLEET`, of lease and record of each guest. */
function leasesOf(text: string, prefix: string): readonly LeasedUid[] {
  const guests = new Map<string, { owner?: string; uid?: number }>();
  for (const line of text.split('\n')) {
    if (!line.startsWith(prefix)) continue;
    const match = /^([a-z0-9-]+)\/(?:lease:(uid)|record:(owner)) ([a-z0-9-]{1,63})$/.exec(
      line.slice(prefix.length),
    );
    if (match === null) continue;
    const [, guest = '', isUid, , value = ''] = match;
    const known = guests.get(guest) ?? {};
    if (isUid === undefined) known.owner = value;
    else known.uid = numeric(value) ?? -1;
    guests.set(guest, known);
  }
  return [...guests].flatMap(([guest, { owner, uid }]) =>
    owner === undefined || uid === undefined ? [] : [{ guest, owner, uid }],
  );
}

function numeric(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : undefined;
}
