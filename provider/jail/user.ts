import type { LayerEvidence } from '../model/evidence.ts';
import { assertNever } from '../model/assert.ts';
import { sh, type ShellText, word } from '../model/shell.ts';
import { loggerUser } from '../model/paths.ts';
import { confinedProcesses, judge, unreadThreads } from './judge.ts';
import type { IsolationExpectation, LaunchPlan } from './launch-plan.ts';
import type { GuestObservation, ProcessObservation, ThreadObservation } from './observation.ts';
import type { LauncherStep } from './step.ts';
import { claimUid } from './uid-hold.ts';

/** The user is the guest's own: it exists, nobody else holds the uid, nothing of an earlier guest still runs as it. */
export function userStep(): LauncherStep {
  return {
    name: 'user',
    comment: sh`A uid is the guest's alone: the user is there, no other name or range holds it, and no process of an earlier start is left`,
    body: sh`${holders}
${notSubordinate}
${claimUid}`,
  };
}

/** The loggers' user as the step has found it. */
export const unprivilegedLogger: ShellText = sh`  case $logger_uid:$logger_gid in
    :* | *: | 0:* | *:0 | *[!0-9:]*) fail 'there is no unprivileged user ${word(loggerUser)}' ;;
  esac`;

/** The range's user only has to be there; the others are who the guest runs as. Leases of tests name no user. */
const holders: ShellText = sh`  logger_uid='' logger_gid='' user_uid=''
  # getent knows every source but gives one name to a uid; a second one in passwd is the same user to the kernel
  entries=$(getent passwd ${word(loggerUser)} "$uid" $user || :; grep -sE "^[^:]*:[^:]*:0*$uid:" /etc/passwd || :)
  while IFS=: read -r name _ id group _; do
    if [ "$name" = ${word(loggerUser)} ]; then logger_uid=$id logger_gid=$group; fi
    if [ -n "$user" ] && [ "$name" = "$user" ]; then user_uid=$id; fi
    [ "$id" = "$uid" ] || continue
    case $user:$name in :xen-qemuuser-*) ;; :*) false ;; *) [ "$name" = "$user" ] ;; esac ||
      fail "wanted to use uid $uid but that is user $name"
  done <<END
$entries
END
  if [ -n "$user" ]; then
    [ -n "$user_uid" ] || fail "user $user does not exist"
    [ "$user" = xen-qemuuser-range-base ] || [ "$user_uid" = "$uid" ] || fail "user $user has uid $user_uid, not $uid"
  fi
${unprivilegedLogger}`;

/** What somebody may give to a container's processes is no guest's; by builtins alone. */
const notSubordinate: ShellText = sh`  for ranges in /etc/subuid /etc/subgid; do
    [ -f "$ranges" ] || continue
    case $ranges in *uid) id=$uid ;; *) id=$gid ;; esac
    while IFS=: read -r name first count _ || [ -n "$name" ]; do
      case $first:$count in *[!0-9:]* | :* | *: | 0[0-9]* | *:0* | ???????????*:* | *:???????????*) continue ;; esac
      [ "$id" -lt "$first" ] || [ "$id" -ge "$((first + count))" ] ||
        fail "wanted to use id $id but that is in a range of $name in $ranges"
    done <"$ranges"
  done`;

/**
 * QEMU changes to the user itself, last of all: it opens its monitor and the guest's kernel as root before. One that takes no
 * numbers looks the name up in the passwd file that it sees, and takes the groups of that name; an unknown one ends it.
 */
export function userArguments(plan: Pick<LaunchPlan, 'confinement'>): ShellText {
  const { user } = plan.confinement;
  switch (user) {
    case 'run-with':
      return sh`-run-with "user=$uid:$gid"`;
    case 'option':
      return sh`-runas "$uid:$gid"`;
    case 'name':
      return sh`-runas "$(id --user --name "$uid")"`;
    default:
      return assertNever(user);
  }
}

export function proveUser(observation: GuestObservation, expectation: IsolationExpectation): LayerEvidence {
  const wrong: string[] = [];
  const unknown = [...unreadThreads(confinedProcesses(observation))];
  for (const process of confinedProcesses(observation)) {
    const [uid, gid] = idsOf(process, expectation);
    for (const thread of process.threads) {
      wrong.push(...threadFaults(process, thread, uid, gid));
      if (thread.uid === undefined || thread.gid === undefined || thread.groups === undefined) {
        unknown.push(`ids of the ${process.role} could not be read`);
      }
    }
  }
  if (observation.strangers === undefined) unknown.push('processes of the host could not be listed');
  else if (observation.strangers.length > 0 && !expectation.sharedUser) {
    wrong.push(`other processes run as uid ${expectation.uid}`);
  }
  const requested = `uid ${expectation.uid}, gid ${expectation.gid}, no other groups${expectation.sharedUser ? ', shared with other guests' : ''}`;
  return judge('user', requested, observation, { wrong, unknown }, raw(observation));
}

function idsOf(process: ProcessObservation, expectation: IsolationExpectation): readonly [number, number] {
  return process.role === 'logger'
    ? [expectation.loggerUid, expectation.loggerGid]
    : [expectation.uid, expectation.gid];
}

function threadFaults(
  process: ProcessObservation,
  thread: ThreadObservation,
  uid: number,
  gid: number,
): readonly string[] {
  const faults: string[] = [];
  const stray = (ids: readonly number[] | undefined, own: number) => ids?.some((id) => id !== own) === true;
  if (stray(thread.uid, uid)) faults.push(`${process.role} has uids ${thread.uid?.join(' ')}`);
  if (stray(thread.gid, gid)) faults.push(`${process.role} has gids ${thread.gid?.join(' ')}`);
  if (stray(thread.groups, gid)) faults.push(`${process.role} is in groups ${thread.groups?.join(' ')}`);
  return faults;
}

function raw(observation: GuestObservation): readonly string[] {
  return confinedProcesses(observation).flatMap((process) =>
    process.threads.map(
      (thread) =>
        `${process.pid}/${thread.tid} Uid: ${thread.uid?.join(' ') ?? '?'} Gid: ${thread.gid?.join(' ') ?? '?'} Groups: ${thread.groups?.join(' ') ?? '?'}`,
    ),
  );
}
