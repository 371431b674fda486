import type { CollectiveStep } from '../../model/operation.ts';
import { defaultRoots, type HostRoots } from '../../model/paths.ts';
import { logFunctions } from '../../jail/logger.ts';
import { sh, word } from '../../model/shell.ts';

/**
 * Starting and stopping guests, all of a batch together: systemd starts and stops units side by side, and one loop waits for
 * all. Ready means: the device model runs as the guest's user, which QEMU changes to last, after chroot and seccomp.
 */

/** How long a guest may take from its unit's start to its device model having dropped its privileges. */
const startTimeoutSeconds = 60;

/** What the start and stop steps share; units are found by name, processes by systemd's word. */
export const unitQuestions = sh`unit_of() { unit="stockade-guest@$1.service"; }
units_of() { units=; for guest do units="$units stockade-guest@$guest.service"; done; }
`;

/** Sets `words` to what a launch that went wrong said last, its error before what its device model printed. Wants `state` and `run`. */
export const lastWords = sh`${logFunctions}
last_words() {
  words=
  [ ! -s "$run/guests/$1/launch-error" ] || words=$(head -c 2048 "$run/guests/$1/launch-error")
  [ -n "$words" ] || words=$(stockade_log "$state/guests/$1/log" stderr 2048) || :
}`;

/** The processes of a unit, as the kernel has them. On a host with both hierarchies systemd's own counts. */
export const cgroupFunctions = sh`mounts='/sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/systemd'
# populated CGROUP: whether a process is in it
populated() {
  [ -n "$1" ] || return 1
  for mount in $mounts; do
    [ -d "$mount$1" ] || continue
    first=
    read -r first <"$mount$1/cgroup.procs" || :
    [ -z "$first" ] || return 0
    [ -f "$mount$1/cgroup.events" ] || continue
    while read -r key value; do
      [ "$key $value" != 'populated 1' ] || return 0
    done <"$mount$1/cgroup.events"
  done
  return 1
} 2>/dev/null
# kill_group CGROUP: all of it at once; before Linux 5.14 it is frozen, so that nothing forks meanwhile
kill_group() {
  [ -n "$1" ] || return 0
  for mount in $mounts; do
    if [ -w "$mount$1/cgroup.kill" ]; then echo 1 >"$mount$1/cgroup.kill" || :
    elif [ -w "$mount$1/cgroup.freeze" ]; then
      echo 1 >"$mount$1/cgroup.freeze" || continue
      while read -r each; do kill -KILL "$each" || :; done <"$mount$1/cgroup.procs"
      echo 0 >"$mount$1/cgroup.freeze" || :
    fi
  done
} 2>/dev/null`;

/**
 * systemd has a unit in its memory as it was when another unit first named it (`After=`, say, of an administrator's): without the drop-in that was
 * written since, so without limits, filter and what listens for helpers; and does not say that it needs a reload (252, seen). It does say so of a
 * unit that an earlier guest of this name left in its memory, with that guest's filter or none (seen where a removal was cut off).
 */
export const readStaleUnits = sh`shares=
for unit in $units; do
  share=\${unit#stockade-guest@}
  shares="$shares stockade-share-\${share%.service}:*"
done
set -f
loaded=$(systemctl show --property=DropInPaths,NeedDaemonReload -- $units $shares) || loaded=
set +f
stale=
case $loaded in *NeedDaemonReload=yes*) stale=yes ;; esac
for unit in $units; do case $loaded in *"/$unit.d/"*) ;; *) stale=yes ;; esac; done
[ -z "$stale" ] || systemctl daemon-reload`;

export function startStep(guest: string, roots: HostRoots = defaultRoots): CollectiveStep {
  return {
    kind: 'collective',
    name: 'start-guests',
    argument: guest,
    body: sh`${unitQuestions}
state=${word(roots.state)}
run=${word(roots.run)}
# look_at PID: its real uid and the capabilities it has, by builtins alone
look_at() {
  uid= capabilities=
  while read -r key value _; do
    case $key in
      Uid:) uid=$value ;;
      CapPrm:) capabilities=$value; break ;;
    esac
  done <"/proc/$1/status" 2>/dev/null || :
}
# runs_as MAIN UID: whether a child of the unit's main process runs as that user once that is the namespaces' parent (before, such a
# child is the launcher's, that reaps), and no helper beside it still has the privileges it starts with
runs_as() {
  children= model=
  read -r children <"/proc/$1/task/$1/children" || :
  for child in $children; do
    look_at "$child"
    if [ "$uid" = "$2" ]; then
      # in this order: a child that is there after its parent has become unshare is none that the launcher waited for
      [ "/proc/$1/exe" -ef "$parent" ] && [ -e "/proc/$child/status" ] || return 1
      model=$child
    else case $capabilities in *[!0]*) return 1 ;; esac
    fi
  done
  [ -n "$model" ]
} 2>/dev/null
parent=$(command -v unshare)
wanted_uid() {
  want=
  while read -r key value; do [ "$key" != uid ] || want=$value; done <"$state/guests/$1/lease"
}
${lastWords}
# ended GUEST ACTIVE RESULT JOB: 0 when this guest's unit is over. One whose start is still queued shows as inactive
ended() {
  case $2 in failed | inactive) ;; *) return 1 ;; esac
  [ -z "$4" ] || return 1
  last_words "$1"
  member_fail "$1" guest-died "the device model ended at its start ($3): \${words:-it said nothing}"
}
# ask UNIT...: one question to systemd for all whose main process is not known; prints UNIT:MAINPID of those that go on
ask() {
  systemctl show --property=Id,MainPID,ActiveState,Result,Job -- "$@" | {
    id= main=0 active= result= job=
    while IFS='=' read -r key value || [ -n "$id" ]; do
      case $key in
        Id) id=$value ;;
        MainPID) main=$value ;;
        ActiveState) active=$value ;;
        Result) result=$value ;;
        Job) job=$value ;;
        '')
          guest=\${id#stockade-guest@} guest=\${guest%.service}
          ended "$guest" "$active" "$result" "$job" || printf '%s:%s ' "$id" "$main"
          id= main=0 active= result= job=
          ;;
      esac
      key=
    done
  }
}
# ready UNIT MAINPID: whether its device model runs as the guest's user; by builtins alone, so that looking costs nothing
ready() {
  guest=\${1#stockade-guest@} guest=\${guest%.service}
  wanted_uid "$guest"
  [ -n "$want" ] && runs_as "$2" "$want" || return 1
  member_changed "$guest"
}
units_of "$@"
systemctl reset-failed -- $units 2>/dev/null || :
${readStaleUnits}
systemctl start --no-block -- $units
tries=0 known=
while :; do
  [ -z "$units" ] || known="$known $(ask $units)"
  units= going=
  for pair in $known; do
    unit=\${pair%:*} main=\${pair##*:}
    # the launcher becomes the main process of the unit by exec: its pid stays; one that is gone is systemd's to explain
    if [ "$main" = 0 ] || [ ! -d "/proc/$main" ]; then units="$units $unit"
    else ready "$unit" "$main" || going="$going $pair"
    fi
  done
  known=$going
  [ -n "$units$known" ] || break
  tries=$((tries + 1))
  [ "$tries" -le $((${startTimeoutSeconds} * 50)) ] || break
  sleep 0.02
done
for pair in $known; do units="$units \${pair%:*}"; done
# nobody will judge what comes up late: it is not left to run
[ -z "$units" ] || systemctl stop -- $units || :
for unit in $units; do
  guest=\${unit#stockade-guest@}; guest=\${guest%.service}
  last_words "$guest"
  member_fail "$guest" guest-not-ready "not ready after ${startTimeoutSeconds} s: \${words:-it said nothing}"
done`,
  };
}

/** Stops guests, and makes sure of it: systemd says that the unit is over, and the kernel that its cgroup is empty. */
export function stopStep(guest: string): CollectiveStep {
  return {
    kind: 'collective',
    name: 'stop-guests',
    argument: guest,
    body: sh`${unitQuestions}
${cgroupFunctions}
# ask UNIT...: one question to systemd for all; prints UNIT=STATE=CGROUP, the state as "over" where nothing of it is left
ask() {
  systemctl show --property=Id,ActiveState,ControlGroup -- "$@" | {
    id= active= group=
    while IFS='=' read -r key value || [ -n "$id" ]; do
      case $key in
        Id) id=$value ;;
        ActiveState) active=$value ;;
        ControlGroup) group=$value ;;
        '')
          case $active in inactive | failed) populated "$group" || active=over ;; esac
          printf '%s=%s=%s ' "$id" "$active" "$group"
          id= active= group=
          ;;
      esac
      key=
    done
  }
}
units_of "$@"
# their helpers end with them; to be sure that they have, they are waited for too
helpers=
for guest do helpers="$helpers stockade-share-$guest:*"; done
set -f
systemctl stop -- $units $helpers || :
set +f
rounds=0
while :; do
  shown=" $(ask $units)"
  left=
  for unit in $units; do
    case $shown in *" $unit=over="*) ;; *) left="$left $unit" ;; esac
  done
  rounds=$((rounds + 1))
  [ -n "$left" ] && [ "$rounds" -le 20 ] || break
  for unit in $left; do
    case $shown in *" $unit="*) group=\${shown#*" $unit="} group=\${group%% *}; kill_group "\${group#*=}" ;; esac
  done
  sleep 0.1
done
for guest do
  unit_of "$guest"
  case "$left " in
    *" $unit "*)
      state=
      case $shown in *" $unit="*) state=\${shown#*" $unit="} state=\${state%%=*} ;; esac
      member_fail "$guest" guest-still-runs "systemd could not stop $unit: it is \${state:-not known}, or processes are left in its cgroup"
      ;;
    *) member_changed "$guest" ;;
  esac
done
set -f
systemctl reset-failed -- $units $helpers 2>/dev/null || :
set +f`,
  };
}

/** One `daemon-reload` for all that changed a unit's drop-in in this batch. */
export function reloadStep(guest: string): CollectiveStep {
  return {
    kind: 'collective',
    name: 'reload-units',
    argument: guest,
    body: sh`systemctl daemon-reload
for guest do member_changed "$guest"; done`,
  };
}
