import { failure, problem, type Result, success } from '../../model/diagnostic.ts';
import { reaperUser } from '../../model/paths.ts';
import type { AccountFacts } from '../accounts/facts.ts';
import type { QemuUsersDesired } from './desired.ts';
import type { QemuUsersFacts } from './facts.ts';
import { namedUser, reaperOffset, uidBlock } from './names.ts';

/**
 * The default starts here (0x78000000): above Debian's subordinate ranges (to 600100000), systemd's containers (to 1879048191) and
 * the ids that SSSD and FreeIPA give out (to 2000200000), and in the range that systemd's UIDS-GIDS.md lists as
 * unused (to 2147352575). Ids from 2^31 on are taken for negative numbers by some programs.
 */
export const firstDefaultBase = 2_013_265_920;
const lastDefaultId = 2_147_352_575;
const step = 65_536;

/** Ids that stand for "nobody" and "no change": no set may hold one. */
export const forbiddenIds = [0, 65_534, 65_535, 4_294_967_294, 4_294_967_295] as const;

/** What the set will have: the base asked for, that of the set which is there, or a free one. */
export interface ResolvedIds {
  readonly uidBase: number;
  readonly reaperUid: number;
}

export function resolveIds(desired: QemuUsersDesired, facts: QemuUsersFacts): Result<ResolvedIds> {
  if (facts.record !== undefined) {
    const { uidBase, reaperUid } = facts.record;
    return success({ uidBase: desired.uidBase ?? uidBase, reaperUid });
  }
  const uidBase = desired.uidBase ?? foundBase(desired, facts.accounts) ?? freeBase(facts);
  if (uidBase === undefined) {
    return failure(
      problem('no-free-uids', 'no block of 32768 free user ids was found for the users', {
        path: ['uid_base'],
        host: desired.host,
        hint: 'Set uid_base to where such a block is free.',
      }),
    );
  }
  return success({ uidBase, reaperUid: reaperUidFor(uidBase, facts) });
}

/** Users that are there already without a record (made by hand, or the record was lost) keep their ids. */
function foundBase(desired: QemuUsersDesired, accounts: AccountFacts): number | undefined {
  const named = namedUser(desired.scheme);
  if (named !== undefined) return usable(accounts.users.get(named)?.uid);
  const bases = new Set(
    accounts.runs
      .filter((run) => run.first <= desired.lastDomid && run.last >= desired.firstDomid)
      .map((run) => run.entry.uid),
  );
  return bases.size === 1 ? usable([...bases][0]) : undefined;
}

function usable(uid: number | undefined): number | undefined {
  return uid !== undefined && uid >= 1000 ? uid : undefined;
}

interface Span {
  readonly first: number;
  readonly last: number;
}

function freeBase(facts: QemuUsersFacts): number | undefined {
  const taken: Span[] = [
    ...facts.accounts.held,
    ...[...facts.otherSets.values()].map(({ uidBase }) => ({ first: uidBase, last: uidBase + uidBlock - 1 })),
    ...facts.accounts.runs.flatMap(({ first, last, entry: { uid } }) =>
      uid === undefined ? [] : [{ first: uid + first, last: uid + last }],
    ),
    ...[...facts.accounts.users.values()].flatMap(({ uid }) =>
      uid === undefined ? [] : [{ first: uid, last: uid }],
    ),
  ];
  for (let base = firstDefaultBase; base + uidBlock - 1 <= lastDefaultId; base += step) {
    if (!taken.some((span) => span.first < base + uidBlock && span.last >= base)) return base;
  }
  return undefined;
}

/** The reaper is one for all schemes: where one is, or a free uid past the set's domids. */
function reaperUidFor(uidBase: number, facts: QemuUsersFacts): number {
  const [other] = facts.otherSets.values();
  if (other !== undefined) return other.reaperUid;
  const there = facts.accounts.users.get(reaperUser)?.uid;
  if (there !== undefined && there > 0) return there;
  let uid = uidBase + reaperOffset;
  while (facts.accounts.held.some((held) => held.first <= uid && held.last >= uid)) uid++;
  return uid;
}
