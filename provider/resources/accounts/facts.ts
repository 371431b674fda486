import { failure, problem, type Result, success } from '../../model/diagnostic.ts';
import { type ShellText, sh, word } from '../../model/shell.ts';
import { factsProgram } from './facts-program.ts';
import { ourMark } from './rewrite.ts';

/** A user and its group as the password files show them; ids that are missing or no numbers are `undefined`. */
export interface AccountEntry {
  readonly uid: number | undefined;
  readonly gid: number | undefined;
  /** We made it: the comment field says so. */
  readonly ours: boolean;
  readonly home: string;
  readonly shell: string;
  /** `none`: no line in shadow. */
  readonly password: 'locked' | 'open' | 'none';
  readonly groupGid: number | undefined;
  readonly groupMembers: string;
}

/** Users `xen-qemuuser-domid<N>` for each N of first..last, all alike; `entry`'s ids are less N. */
export interface AccountRun {
  readonly first: number;
  readonly last: number;
  readonly entry: AccountEntry;
}

/** Ids first..last that somebody holds. */
export interface HeldIds {
  readonly kind: 'uid' | 'gid';
  readonly first: number;
  readonly last: number;
  /** Who, in words: `user backup`, `subordinate range of alice`. */
  readonly holder: string;
}

export interface AccountFacts {
  readonly runs: readonly AccountRun[];
  /** By name: range base, shared, reaper, logger. */
  readonly users: ReadonlyMap<string, AccountEntry>;
  /** Everything that is not ours, subordinate ranges included. */
  readonly held: readonly HeldIds[];
}

/** Prints the account facts: one process, whatever the number of users. */
export const readAccounts: ShellText = sh`set --
for accounts_file in /etc/passwd /etc/group /etc/shadow /etc/subuid /etc/subgid; do
  [ ! -f "$accounts_file" ] || set -- "$@" "$accounts_file"
done
[ $# -eq 0 ] || awk ${word(factsProgram)} "$@"`;

const largestId = 2 ** 32 - 1;

function id(text: string | undefined): number | undefined {
  if (text === undefined || !/^-?\d{1,10}$/.test(text)) return undefined;
  return Number(text) <= largestId ? Number(text) : undefined;
}

function entryOf(parts: readonly string[]): AccountEntry {
  const [uid, gid, comment, home = '', shell = '', lock, groupGid, members = ''] = parts;
  return {
    uid: id(uid),
    gid: id(gid),
    ours: comment === ourMark,
    home,
    shell,
    password: lock === 'locked' || lock === 'open' ? lock : 'none',
    groupGid: id(groupGid),
    groupMembers: members,
  };
}

function heldOf(
  kind: string | undefined,
  first: number | undefined,
  last: number | undefined,
  holder: string,
) {
  if (first === undefined || last === undefined || first < 0 || last < first) return [];
  const held: HeldIds = { kind: kind === 'g' ? 'gid' : 'uid', first, last, holder };
  return [held];
}

/** Reads what `readAccounts` printed. */
export function parseAccounts(text: string): Result<AccountFacts> {
  const rows = text.split('\n');
  if (rows.pop() !== '' || rows.pop() !== 'end') {
    return failure(
      problem('observation-malformed', 'the list of users is cut or malformed', {
        hint: 'Look at /etc/passwd, /etc/group and /etc/shadow on the host.',
      }),
    );
  }
  const runs: AccountRun[] = [];
  const users = new Map<string, AccountEntry>();
  const held: HeldIds[] = [];
  for (const row of rows) {
    const [tag, a = '', b = '', c = '', ...rest] = row.split(':');
    const [what, group] = a === 'g' ? ['group', 'groups'] : ['user', 'users'];
    if (tag === 'run') {
      const [first, last] = [id(a), id(b)];
      if (first !== undefined && last !== undefined) runs.push({ first, last, entry: entryOf([c, ...rest]) });
    } else if (tag === 'user') users.set(a, entryOf([b, c, ...rest]));
    else if (tag === 'id') held.push(...heldOf(a, id(c), id(c), `${what} ${b}`));
    else if (tag === 'more') held.push(...heldOf(a, id(c), id(rest[0]), `one of ${b} further ${group}`));
    else if (tag === 'sub') {
      const [start, count] = [id(c), id(rest[0])];
      const last = start === undefined || count === undefined ? undefined : start + count - 1;
      held.push(...heldOf(a, start, last, `the subordinate ${a === 'g' ? 'gid' : 'uid'} range of ${b}`));
    }
  }
  return success({ runs, users, held });
}

/** Who holds an id of first..last, if anybody. */
export function holderOf(facts: AccountFacts, first: number, last: number): HeldIds | undefined {
  return facts.held.find((held) => held.first <= last && held.last >= first);
}
