import { reaperUser } from '../../model/paths.ts';
import type { AccountEntry, AccountRun } from '../accounts/facts.ts';
import { firstOf, plainWords } from '../shared/words.ts';
import { differences, groupDifferences } from './checks.ts';
import type { QemuUsersFacts } from './facts.ts';
import { type DomidRange, domidUserPrefix, namedUser, unite } from './names.ts';

/** Whether a set of users is as it was made, part by part: `ok`, or what is wrong in a few words. */
export interface QemuUsersIntegrity {
  /** Every user is there, with its uid and group, without home, shell or password; and no user too many. */
  readonly users: string;
  /** The user that ends the processes of others. */
  readonly reaper: string;
  /** Every user's own group, without members. */
  readonly groups: string;
  /** The host's record of the set. */
  readonly record: string;
}

export const intactUsers: QemuUsersIntegrity = { users: 'ok', reaper: 'ok', groups: 'ok', record: 'ok' };
export const usersIntegrityParts = ['users', 'reaper', 'groups', 'record'] as const;

/** `fleet`: whose part in the set must be on record. */
export function qemuUsersIntegrity(facts: QemuUsersFacts, fleet: string): QemuUsersIntegrity {
  const { record } = facts;
  if (record === undefined) {
    const text = facts.damaged === undefined ? 'missing' : plainWords(facts.damaged);
    return { users: 'not known', reaper: 'not known', groups: 'not known', record: text };
  }
  const reaper = facts.accounts.users.get(reaperUser);
  const named = namedUser(facts.scheme);
  const tally =
    named === undefined
      ? tallyRuns(facts.accounts.runs, record.uidBase, unite([...facts.owners.values()]))
      : tallyOne(named, facts.accounts.users.get(named), record.uidBase);
  return {
    users: tally.users.text(),
    groups: tally.groups.text(),
    reaper: reaperText(reaper, record.reaperUid),
    record: facts.owners.has(fleet) ? 'ok' : `fleet ${fleet} is not on it`,
  };
}

function reaperText(entry: AccountEntry | undefined, uid: number): string {
  if (entry === undefined) return 'missing';
  const wrong = [differences(entry, uid), groupDifferences(entry, uid)].filter((text) => text !== '');
  return wrong.length === 0 ? 'ok' : `has ${plainWords(wrong.join(', '))}`;
}

/** Counts what is wrong, and remembers the first of each kind. */
class Findings {
  readonly #found = new Map<string, { first: string; count: number }>();

  add(kind: 'missing' | 'unexpected' | 'changed', first: string, count: number): void {
    const known = this.#found.get(kind);
    this.#found.set(kind, { first: known?.first ?? first, count: (known?.count ?? 0) + count });
  }

  text(): string {
    const texts = [...this.#found].map(([kind, { first, count }]) => `${kind} ${firstOf(first, count)}`);
    return texts.length === 0 ? 'ok' : plainWords(texts.join('; '));
  }
}

interface Tally {
  readonly users: Findings;
  readonly groups: Findings;
}

function tallyOne(name: string, entry: AccountEntry | undefined, uid: number): Tally {
  const tally = { users: new Findings(), groups: new Findings() };
  if (entry === undefined) {
    tally.users.add('missing', name, 1);
    tally.groups.add('missing', name, 1);
  } else note(tally, name, 1, entry, uid, 0);
  return tally;
}

function note(
  tally: Tally,
  name: string,
  count: number,
  entry: AccountEntry,
  uid: number,
  offset: number,
): void {
  const user = differences(entry, uid, offset);
  const group = groupDifferences(entry, uid, offset);
  if (entry.uid === undefined) tally.users.add('missing', name, count);
  else if (user !== '') tally.users.add('changed', `${name}: ${user}`, count);
  if (entry.groupGid === undefined) tally.groups.add('missing', name, count);
  else if (group !== '') tally.groups.add('changed', `${name}: ${group}`, count);
}

/** `runs` and `wanted` are in ascending order. */
function tallyRuns(runs: readonly AccountRun[], uidBase: number, wanted: readonly DomidRange[]): Tally {
  const tally = { users: new Findings(), groups: new Findings() };
  const missing = (first: number, last: number) => {
    if (first > last) return;
    tally.users.add('missing', `${domidUserPrefix}${first}`, last - first + 1);
    tally.groups.add('missing', `${domidUserPrefix}${first}`, last - first + 1);
  };
  for (const range of wanted) {
    let next = range.firstDomid;
    for (const run of runs) {
      const [first, last] = [Math.max(run.first, next), Math.min(run.last, range.lastDomid)];
      if (first > last) continue;
      missing(next, first - 1);
      note(tally, `${domidUserPrefix}${first}`, last - first + 1, run.entry, uidBase, first);
      next = last + 1;
    }
    missing(next, range.lastDomid);
  }
  for (const run of runs) {
    if (run.entry.ours) surplus(tally.users, run, wanted);
  }
  return tally;
}

function surplus(users: Findings, run: AccountRun, wanted: readonly DomidRange[]): void {
  let next = run.first;
  const add = (last: number) => {
    if (next <= last) users.add('unexpected', `${domidUserPrefix}${next}`, last - next + 1);
  };
  for (const range of wanted) {
    if (range.lastDomid < next || range.firstDomid > run.last) continue;
    add(range.firstDomid - 1);
    next = range.lastDomid + 1;
  }
  add(run.last);
}
