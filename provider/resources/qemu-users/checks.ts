import { type Diagnostic, problem } from '../../model/diagnostic.ts';
import { describeAddress } from '../../model/address.ts';
import { reaperUser } from '../../model/paths.ts';
import { lastPossibleDomid } from '../../spec/qemu-users.ts';
import { firstOf, plainWords } from '../shared/words.ts';
import { type AccountEntry, type HeldIds, holderOf } from '../accounts/facts.ts';
import { noHome } from '../accounts/rewrite.ts';
import type { QemuUsersDesired } from './desired.ts';
import type { QemuUsersFacts } from './facts.ts';
import { domidUserPrefix, namedUser, qemuUsersAddress, type UidRange, uidsOf } from './names.ts';
import { forbiddenIds, type ResolvedIds } from './uid-base.ts';

/** What speaks against making these users on this host, found before anything is touched. */
export function qemuUsersObstacles(
  desired: QemuUsersDesired,
  ids: ResolvedIds,
  facts: QemuUsersFacts,
): readonly Diagnostic[] {
  const at = { host: desired.host, resource: describeAddress(qemuUsersAddress(desired)) };
  return [
    ...baseConflict(desired, facts),
    ...leasedIds(desired, ids, facts),
    ...heldIds(desired, ids, facts),
    ...otherSchemes(desired, ids, facts),
    ...strangers(desired, ids, facts),
  ].map((diagnostic) => ({ ...at, ...diagnostic }));
}

/** The set is shared: its base can only change when nobody else uses it. */
function baseConflict(desired: QemuUsersDesired, facts: QemuUsersFacts): readonly Diagnostic[] {
  if (facts.damaged !== undefined) {
    return [
      problem('record-damaged', facts.damaged, {
        hint: 'Look at the file below /var/lib/stockade/users on the host.',
      }),
    ];
  }
  if (facts.record === undefined || desired.uidBase === undefined) return [];
  const others = [...facts.owners.keys()].filter((fleet) => fleet !== desired.fleet);
  if (desired.uidBase === facts.record.uidBase || others.length === 0) return [];
  return [
    problem(
      'uid-base-conflict',
      `the users have uid base ${facts.record.uidBase}, which fleet ${others.join(', ')} relies on`,
      {
        path: ['uid_base'],
        hint: `Leave uid_base out, or set it to ${facts.record.uidBase}.`,
      },
    ),
  ];
}

/** A guest's user stays while the guest is there: neither the range nor the base moves away from under it. */
function leasedIds(
  desired: QemuUsersDesired,
  ids: ResolvedIds,
  { record, leased }: QemuUsersFacts,
): readonly Diagnostic[] {
  if (record === undefined) return [];
  const moved = ids.uidBase !== record.uidBase;
  const all = uidsOf(desired.scheme, record.uidBase, { firstDomid: 1, lastDomid: lastPossibleDomid });
  const kept = moved ? [] : uidsOf(desired.scheme, record.uidBase, desired);
  const stranded = leased.filter(
    ({ owner, uid }) => owner === desired.fleet && within(all, uid) && !within(kept, uid),
  );
  const [first] = stranded;
  if (first === undefined) return [];
  const tooLow = first.uid < record.uidBase + desired.firstDomid;
  const names = stranded.map(({ guest }) => guest);
  return [
    problem(
      'users-in-use',
      `guest ${firstOf(first.guest, names.length)} runs as uid ${first.uid} of this set`,
      {
        path: [moved ? 'uid_base' : tooLow ? 'first_domid' : 'last_domid'],
        detail: `Guests whose users would go: ${plainWords(names.join(', '))}`,
        hint: moved
          ? `Leave uid_base at ${record.uidBase} (or out) while these guests are there.`
          : `Keep domid ${first.uid - record.uidBase} in the range, or remove the guest first.`,
      },
    ),
  ];
}

function within(ranges: readonly UidRange[], uid: number): boolean {
  return ranges.some(({ first, last }) => uid >= first && uid <= last);
}

function heldIds(desired: QemuUsersDesired, ids: ResolvedIds, facts: QemuUsersFacts): readonly Diagnostic[] {
  const wanted = [
    ...uidsOf(desired.scheme, ids.uidBase, desired),
    { first: ids.reaperUid, last: ids.reaperUid },
  ];
  for (const { first, last } of wanted) {
    const forbidden = forbiddenIds.find((id) => id >= first && id <= last);
    if (forbidden !== undefined || last > 2 ** 32 - 3) {
      return [
        problem(
          'uid-forbidden',
          `the user ids ${first} to ${last} hold ${forbidden ?? last}, which no guest may have`,
          {
            path: ['uid_base'],
            hint: 'Choose another uid_base, or leave it out.',
          },
        ),
      ];
    }
    const held = holderOf(facts.accounts, first, last) ?? otherOfOurs(desired, facts, { first, last }, ids);
    if (held === undefined) continue;
    const which = `${held.kind} ${Math.max(first, held.first)}`;
    return [
      problem('user-clash', `${which} is wanted, but belongs to ${plainWords(held.holder)}`, {
        path: ['uid_base'],
        hint: 'Choose another uid_base, or leave it out: the default lies above everything the host has.',
      }),
    ];
  }
  return [];
}

/** A user that we know by name, but not as one of this set: it runs other things than this set's guests. */
function otherOfOurs(
  desired: QemuUsersDesired,
  { accounts }: QemuUsersFacts,
  { first, last }: UidRange,
  { reaperUid }: ResolvedIds,
): HeldIds | undefined {
  for (const [name, { uid }] of accounts.users) {
    const own =
      name === namedUser(desired.scheme) || (name === reaperUser && first === reaperUid && first === last);
    if (own || uid === undefined || uid < first || uid > last) continue;
    return { kind: 'uid', first: uid, last: uid, holder: `user ${name}` };
  }
  return undefined;
}

/** Two schemes never share a uid. */
function otherSchemes(
  desired: QemuUsersDesired,
  ids: ResolvedIds,
  facts: QemuUsersFacts,
): readonly Diagnostic[] {
  const wanted = uidsOf(desired.scheme, ids.uidBase, desired);
  const first = Math.min(...wanted.map((range) => range.first));
  const last = Math.max(...wanted.map((range) => range.last));
  return [...facts.otherSets].flatMap(([scheme, set]) => {
    const theirs = uidsOf(scheme, set.uidBase, {
      firstDomid: 1,
      lastDomid: lastPossibleDomid,
    });
    const clash = theirs.some((range) => range.first <= last && range.last >= first);
    if (!clash) return [];
    return [
      problem(
        'user-clash',
        `the user ids ${first} to ${last} overlap those of scheme ${scheme}, from ${set.uidBase} on`,
        {
          path: ['uid_base'],
          hint: 'Choose another uid_base, or leave it out.',
        },
      ),
    ];
  });
}

/** Users of the wanted names that somebody else made are adopted where they are exactly as asked for. */
function strangers(
  desired: QemuUsersDesired,
  ids: ResolvedIds,
  facts: QemuUsersFacts,
): readonly Diagnostic[] {
  const found: string[] = [];
  const look = (name: string, entry: AccountEntry | undefined, offset: number, uid: number) => {
    if (entry === undefined || entry.ours) return;
    const wrong = differences(entry, uid, offset);
    if (wrong !== '') found.push(`${name} has ${wrong}`);
  };
  const named = namedUser(desired.scheme);
  if (named !== undefined) look(named, facts.accounts.users.get(named), 0, ids.uidBase);
  else {
    for (const run of facts.accounts.runs) {
      const first = Math.max(run.first, desired.firstDomid);
      if (first <= Math.min(run.last, desired.lastDomid)) {
        look(`${domidUserPrefix}${first}`, run.entry, first, ids.uidBase);
      }
    }
  }
  look(reaperUser, facts.accounts.users.get(reaperUser), 0, ids.reaperUid);
  return found.slice(0, 3).map((text) =>
    problem('user-clash', `a user of that name exists and is not as asked for: ${plainWords(text)}`, {
      hint: `Remove it on the host (\`userdel\`), or set uid_base to suit it. Stockade makes users with home ${noHome}, no shell and no password.`,
    }),
  );
}

/** `uid` is less the offset, as the entry's ids are. Empty when the entry is as we would make it. */
export function differences(entry: AccountEntry, uid: number, offset = 0): string {
  const wrong: string[] = [];
  if (entry.uid !== uid) wrong.push(entry.uid === undefined ? 'no user entry' : `uid ${entry.uid + offset}`);
  else {
    if (entry.gid !== uid) wrong.push(`gid ${entry.gid === undefined ? '?' : entry.gid + offset}`);
    if (entry.home !== noHome) wrong.push(`home ${entry.home}`);
    if (!/^(\/usr)?\/s?bin\/(nologin|false)$/.test(entry.shell)) wrong.push(`shell ${entry.shell}`);
    if (entry.password !== 'locked') wrong.push(entry.password === 'open' ? 'a password' : 'no shadow entry');
  }
  return wrong.join(', ');
}

/** The same for its group. */
export function groupDifferences(entry: AccountEntry, gid: number, offset = 0): string {
  if (entry.groupGid === undefined) return 'no group';
  if (entry.groupGid !== gid) return `gid ${entry.groupGid + offset}`;
  return entry.groupMembers === '' ? '' : `members ${entry.groupMembers}`;
}
