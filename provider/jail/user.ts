import type { LayerEvidence } from '../model/evidence.ts';
import { sh, type ShellText, word } from '../model/shell.ts';
import { loggerUser } from '../model/paths.ts';
import { confinedProcesses, judge, unreadThreads } from './judge.ts';
import type { IsolationExpectation, LaunchPlan } from './launch-plan.ts';
import type { GuestObservation, ProcessObservation, ThreadObservation } from './observation.ts';
import type { LauncherStep } from './step.ts';

/** The user is the guest's own: nobody else holds the uid, nothing of an earlier guest still runs as it. */
export function userStep(): LauncherStep {
  return {
    name: 'user',
    comment: sh`A uid is the guest's alone: no other name holds it, and no process of an earlier one with it is left alive`,
    body: sh`  logger_uid='' logger_gid=''
  entries=$(getent passwd ${word(loggerUser)} "$uid") || :
  while IFS=: read -r name _ id group _; do
    if [ "$name" = ${word(loggerUser)} ]; then logger_uid=$id logger_gid=$group; fi
    [ "$id" = "$uid" ] || continue
    case $name in xen-qemuuser-*) ;; *) fail "wanted to use uid $uid but that is user $name" ;; esac
  done <<END
$entries
END
  case $logger_uid:$logger_gid in
    :* | *: | 0:* | *:0 | *[!0-9:]*) fail 'there is no unprivileged user ${word(loggerUser)}' ;;
  esac
  [ "$shared" = yes ] || stockade_reap "$uid" || fail "processes of uid $uid cannot be ended: $strays"`,
  };
}

/** QEMU changes to the user itself, last of all: it opens its monitor and the guest's kernel as root before. */
export function userArguments(plan: LaunchPlan): ShellText {
  return plan.confinement.user === 'run-with' ? sh`-run-with "user=$uid:$gid"` : sh`-runas "$uid:$gid"`;
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
