import type { ReadSection } from '../model/operation.ts';
import { defaultRoots, type HostRoots } from '../model/paths.ts';
import { sh, word } from '../model/shell.ts';
import { rlimitLabels } from './rlimits.ts';

export const evidenceSectionName = 'evidence';

/** What is judged of a thread's status, of a process's limits, of its mounts; the root is always there: it shows that some were read. */
const threadLines =
  '^(State|Tgid|Pid|Uid|Gid|Groups|Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs|Seccomp|Seccomp_filters):';
const limitLines = `^(${Object.values(rlimitLabels).join('|')}) `;
const mountLines = '^[0-9]+ [0-9]+ [0-9:]+ [^ ]+ (/|/dev|/dev/[^ ]*) | (shared|master):';

/** With more open files than this only the first hundred numbers of a process are shown; an honest QEMU has some forty. */
const maxOpenFiles = 512;
/** A link's target is cut there: no file of ours has so long a name. */
const maxTargetBytes = 256;

/**
 * Reads everything the evidence of these guests rests on: eight forks, whatever their number. What comes back is fields ended
 * by NUL, which no name, link or line of /proc can hold; paths begin with a slash and marks do not, so nothing a process calls
 * itself or its files can pass for another record:
 *   time T | units TEXT | (guest NAME UID MAIN PIDS MANY)* | strangers TEXT | threads TEXT | lines (PATH LINE)*
 *   | files (PATH CONTENT)* | links (PATH TYPE TARGET)* | stats (PATH DEVICE INODE MODE UID GID MAJOR MINOR)* | end
 * MANY are processes with more open files than are listed. TEXT of threads begins a thread at each `State:`; of `lines` each
 * LINE ends with a line feed and an empty path ends them. A process that goes away meanwhile leaves records out; that is normal.
 * What could not be asked at all ends the section with 1: it never shows as a guest that does not run.
 */
export function evidenceSection(guests: readonly string[], roots: HostRoots = defaultRoots): ReadSection {
  return {
    name: evidenceSectionName,
    arguments: guests,
    body: sh`state=${word(roots.state)} run=${word(roots.run)}
printf 'time\\0'
date -u +%Y-%m-%dT%H:%M:%SZ
units=''
for guest do
  case $guest in '' | -* | *[!a-z0-9-]*) continue ;; esac
  units="$units stockade-guest@$guest.service"
done
shown=''
[ -z "$units" ] || shown=$(systemctl show --property=Id,LoadState,ActiveState,SubState,Result,MainPID,ExecMainCode,ExecMainStatus,NRestarts,ControlGroup,FragmentPath,DropInPaths,NeedDaemonReload -- $units) || exit 1
printf '\\0units\\0%s\\0' "$shown"
files='/proc/sys/kernel/random/boot_id' threads='' lines='' links='' stats='' uids='' id='' main=0 group=''

# on_paths SCRIPT PATH...: runs it with these arguments, in portions where one command cannot take them all
on_paths() {
  script=$1 status=0
  shift
  [ $# -gt 0 ] || return 0
  eval "$script" || status=$?
  if [ "$status" -eq 126 ]; then
    status=0
    printf '%s\\0' "$@" | xargs -0r sh -c "$script"'
case $? in [012]) ;; *) exit 255 ;; esac' sh || status=$?
  fi
  # 1 and 2: something has gone away meanwhile, or nothing was found
  case $status in [012]) ;; *) exit 1 ;; esac
} 2>/dev/null
namespaces_of() {
  links="$links /proc/$1/ns/mnt /proc/$1/ns/ipc /proc/$1/ns/uts /proc/$1/ns/net /proc/$1/ns/pid /proc/$1/ns/cgroup"
}
# one_process PID: what is to be read of it; /proc/PID last tells whether it has gone away
one_process() {
  files="$files /proc/$1/stat" threads="$threads /proc/$1/task/*/status" lines="$lines /proc/$1/limits"
  namespaces_of "$1"
  stats="$stats /proc/$1/exe /proc/$1/root/. /proc/$1/cwd/. /proc/$1"
  set +f
  set -- "$1" /proc/"$1"/fd/*
  set -f
  if [ $# -le ${maxOpenFiles + 1} ]; then
    links="$links /proc/$1/fd"
    shift
    for file do
      if [ -f "$file" ] || [ -b "$file" ]; then stats="$stats $file"; fi
    done
  else many="$many $1" links="$links /proc/$1/fd/[0-9] /proc/$1/fd/[0-9][0-9]"
  fi
}
# one_unit: its processes and the uid of its lease, by builtins alone
one_unit() {
  guest=\${id#stockade-guest@} guest=\${guest%.service} pids='' many='' uid=''
  for mount in /sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/systemd; do
    [ -n "$group" ] && [ -r "$mount$group/cgroup.procs" ] || continue
    while read -r pid; do
      case $pid in '' | 0 | *[!0-9]*) continue ;; esac
      pids="$pids $pid"
      one_process "$pid"
    done <"$mount$group/cgroup.procs"
    break
  done
  if [ -r "$state/guests/$guest/lease" ]; then
    while read -r key value _; do [ "$key" != uid ] || uid=$value; done <"$state/guests/$guest/lease"
  fi
  case $uid in '' | *[!0-9]*) uid='' ;; *) uids="$uids|$uid" ;; esac
  case $main in '' | 0 | *[!0-9]*) ;; *) lines="$lines /proc/$main/mountinfo" stats="$stats /proc/$main/root/dev/*" ;; esac
  stats="$stats $run/root/$guest" links="$links $run/root/$guest" files="$files $run/guests/$guest/disks"
  printf 'guest\\0%s\\0%s\\0%s\\0%s\\0%s\\0' "$guest" "$uid" "$main" "$pids" "$many"
}
namespaces_of 1
set -f
IFS='
'
# systemctl gives a unit's properties in an order of its own: a unit is known when all three are
known=0
for line in $shown; do
  value=\${line#*=}
  case $line in
    Id=*) id=$value known=$((known + 1)) ;;
    MainPID=*) main=$value known=$((known + 1)) ;;
    ControlGroup=*) group=$value known=$((known + 1)) ;;
  esac
  [ "$known" -eq 3 ] || continue
  known=0
  IFS=' '
  one_unit
done
set +f
IFS=' '
printf 'strangers\\0'
export stockade_pattern="^Uid:.*[[:blank:]](\${uids#?})([[:blank:]]|\\$)"
[ -z "$uids" ] || on_paths 'grep -sHE "$stockade_pattern" "$@"' /proc/[0-9]*/status
printf '\\0threads\\0'
on_paths ${word(`grep -shaE '${threadLines}' "$@"`)} $threads
printf '\\0lines\\0'
on_paths ${word(`grep -sZHaE '${limitLines}|${mountLines}' "$@"`)} $lines
printf '\\0files\\0'
on_paths 'grep -szZHa "" "$@"' $files
printf 'links\\0'
on_paths ${word(`find "$@" -maxdepth 1 -printf '%p\\0%Y\\0%.${maxTargetBytes}l\\0'`)} $links
printf 'stats\\0'
on_paths ${word(`stat -L --printf='%n\\0%d\\0%i\\0%f\\0%u\\0%g\\0%t\\0%T\\0' "$@"`)} $stats
printf 'end\\0'`,
  };
}
