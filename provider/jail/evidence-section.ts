import type { ReadSection } from '../model/operation.ts';
import { defaultRoots, type HostRoots } from '../model/paths.ts';
import { sh, word, words } from '../model/shell.ts';
import { tryDevices } from './device-rule.ts';
import { lookFunctions } from './evidence-look.ts';
import { findLabels } from './lsm.ts';
import { baseDeviceNodes } from './launch-plan.ts';
import { rlimitLabels } from './rlimits.ts';
import { helperPrograms } from './share-places.ts';

export const evidenceSectionName = 'evidence';

/** What is judged of a thread's status, of a process's limits; of mounts all are. */
const threadLines =
  '^(State|Tgid|Pid|Uid|Gid|Groups|Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs|Seccomp|Seccomp_filters):';
const limitLines = `^(${Object.values(rlimitLabels).join('|')}) `;
const cgroupLines = '^(0:|[0-9]+:name=systemd):/';
const mountLines = '^[0-9]+ [0-9]+ [0-9]+:[0-9]+ ';
const mountOfFile = '^mnt_id:[[:blank:]][0-9]+$';
/** `PID MOUNT` of one such line with its path. */
const countedFile = 's,^/proc/\\([0-9]*\\)/fdinfo/[0-9]*:mnt_id:[[:blank:]]*\\([0-9]*\\)$,\\1 \\2,p';
/** Of counts no more than this: a process has files in a few mounts. */
const maxCountBytes = 65_536;

/** A link's target is cut there: no file of ours has so long a name. */
const maxTargetBytes = 256;

/** Processes of a guest's uid outside its unit that are looked at more closely, on a whole host. */
const maxStrays = 32;
/** Programs that a launch consists of: until the last of them, a unit without QEMU is one that starts. */
export const launchPrograms = [
  '/bin/sh',
  '/usr/bin/env',
  '/usr/bin/prlimit',
  '/usr/bin/setpriv',
  '/usr/bin/unshare',
] as const;

/**
 * Reads everything the evidence of these guests and their shares' helpers rests on: eleven forks, whatever their number, and
 * one more where there are shares (five for helpers with many open files). What comes back is fields ended
 * by NUL, which no name, link or line of /proc can hold; paths begin with a slash and marks do not, so nothing a process calls
 * itself or its files can pass for another record:
 *   time T | units TEXT | (guest NAME UID MAIN PIDS MANY | helper UNIT MAIN PIDS MANY)* | strangers TEXT | strays PIDS MANY | threads TEXT | lines (PATH LINE)*
 *   | files (PATH CONTENT)* | links (PATH TYPE TARGET)* | stats (PATH DEVICE INODE MODE UID GID MAJOR MINOR)* | devices TEXT | end
 * PIDS are those of the unit's cgroup and the descendants of its main process; strays are processes of a guest's uid that are
 * neither. MANY are processes with more open files than are listed. TEXT of devices is `trialProgram`'s (device-rule.ts), that of
 * threads begins a thread at each `State:`. TEXT of counts is `COUNT PID MOUNT` on each line.
 * Of `lines` and `again` (the mounts of open files a second time, after their links) each LINE ends with a line feed and an empty path ends them. A process that goes away meanwhile leaves records out; that is normal.
 * What could not be asked at all ends the section with 1: it never shows as a guest that does not run.
 */
export function evidenceSection(guests: readonly string[], roots: HostRoots = defaultRoots): ReadSection {
  return {
    name: evidenceSectionName,
    arguments: guests,
    packed: true,
    body: sh`state=${word(roots.state)} run=${word(roots.run)}
printf 'time\\0'
date -u +%Y-%m-%dT%H:%M:%SZ
units=''
for guest do
  case $guest in '' | -* | *[!a-z0-9-]*) continue ;; esac
  units="$units stockade-guest@$guest.service stockade-share-$guest:*.service"
done
shown=''
set -f
[ -z "$units" ] || shown=$(systemctl show --property=Id,LoadState,ActiveState,SubState,Result,MainPID,ExecMainCode,ExecMainStatus,NRestarts,ControlGroup,FragmentPath,DropInPaths,NeedDaemonReload -- $units) || exit 1
set +f
printf '\\0units\\0%s\\0' "$shown"
helpers='' shared=''
files='/proc/sys/kernel/random/boot_id' trials='' blocks='' listed='' many=''
${findLabels}
threads='' lines='' again='' counted='' links='' stats='' uids='' id='' main=0 group='' nodes=''

${lookFunctions}
# one_node NAME: the host's own; many guests may have it, and a file that is shown twice counts as not read
one_node() {
  case "$nodes " in *" /dev/$1 "*) ;; *) nodes="$nodes /dev/$1" ;; esac
}
# one_dev: the guest's nodes, in directories too where the launcher has made nodes there (its record: a name on each line), and the
# host's. A directory is listed as DIRECTORY/. so that it does not come twice, in the one above and by itself
one_dev() {
  dev=/proc/$main/root/dev
  links="$links $dev/." stats="$stats $dev/*"
  [ -r "$run/guests/$guest/devices" ] || return 0
  while read -r name; do
    case /$name/ in *//* | */.* | *[!A-Za-z0-9_.:,=@+/-]*) continue ;; esac
    one_node "$name"
    while [ "$name" != "\${name%/*}" ]; do
      name=\${name%/*}
      case "$links " in *" $dev/$name/. "*) break ;; esac
      links="$links $dev/$name/." stats="$stats $dev/$name/*"
    done
  done <"$run/guests/$guest/devices"
}
# one_helper: the view is that of the unit's main process, and each process has its own part of it
one_helper() {
  shared=helper
  members "$id"
  for pid in $pids; do lines="$lines /proc/$pid/mountinfo"; done
  case $main in
    '' | 0 | *[!0-9]*) ;;
    *)
      links="$links /proc/$main/root/. /proc/$main/root/dev/." stats="$stats /proc/$main/root/dev/*"
      ;;
  esac
  helpers=yes
  printf 'helper\\0%s\\0%s\\0%s\\0%s\\0' "$id" "$main" "$pids" "$many"
}
# one_domain: a guest of xl's. Its device model's root is libxl's; in a range its uid is that of the domid it has now, whatever was leased
one_domain() {
  case " $stats " in *' /run/xen/qemu-root-* '*) ;; *) stats="$stats /run/xen/qemu-root-*" links="$links /run/xen/qemu-root-*" ;; esac
  case $uid:$domid in
    :* | *: | *[!0-9:]*) uid='' ;;
    *)
      for pid in $pids; do
        while IFS='\t ' read -r key value _; do [ "$key" != Uid: ] || break; done <"/proc/$pid/status" || continue
        if [ "$((value - uid + domid))" -gt 0 ] && [ "$((value - uid + domid))" -le 32751 ]; then uid=$value; break; fi
      done
      uids="$uids|$uid"
      ;;
  esac
  printf 'guest\\0%s\\0%s\\0%s\\0%s\\0%s\\0' "$guest" "$uid" "$main" "$pids" "$many"
} 2>/dev/null
# one_unit: its processes and the uid of its lease, by builtins alone
one_unit() {
  guest=\${id#stockade-guest@} guest=\${guest%.service} uid='' shared=''
  # its helpers' script, or directories that QEMU serves itself
  if [ -e "$state/guests/$guest/shares" ] || [ -d "/proc/$main/root/share" ]; then shared=guest; fi
  members "$guest"
  [ -z "$shared" ] || files="$files $run/guests/$guest/share-*.source"
  domid=''
  if [ -r "$state/guests/$guest/lease" ]; then
    while read -r key value _; do
      case $key in domid) domid=$value ;; uid) uid=$value ;; esac
    done <"$state/guests/$guest/lease"
  fi
  if [ -e "$run/guests/$guest/xl.cfg" ]; then one_domain; return; fi
  case $uid in '' | *[!0-9]*) uid='' ;; *) uids="$uids|$uid" ;; esac
  case $main in '' | 0 | *[!0-9]*) ;; *) lines="$lines /proc/$main/mountinfo"; one_dev ;; esac
  stats="$stats $run/root/$guest" links="$links $run/root/$guest" files="$files $run/guests/$guest/disks"
  printf 'guest\\0%s\\0%s\\0%s\\0%s\\0%s\\0' "$guest" "$uid" "$main" "$pids" "$many"
}
namespaces_of 1
links="$links /proc/self/ns/cgroup"
stats='${words(launchPrograms)}'
for name in ${words([...baseDeviceNodes, 'kvm'])}; do one_node "$name"; done
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
  case $id in stockade-share-*) one_helper ;; *) one_unit ;; esac
done
shared=''
if [ -n "$helpers" ]; then lines="$lines /proc/1/mountinfo" stats="$stats ${words(helperPrograms)}"; fi
set +f
IFS=' '
export stockade_pattern="^Uid:.*[[:blank:]](\${uids#?})([[:blank:]]|\\$)"
strangers=''
[ -z "$uids" ] || strangers=$(on_paths 'grep -sHE "$stockade_pattern" "$@"' /proc/[0-9]*/status) || exit 1
printf 'strangers\\0%s\\0' "$strangers"
set -f
IFS='
'
strays='' many='' left=${maxStrays}
for line in $strangers; do
  IFS=' '
  pid=\${line#/proc/}
  pid=\${pid%%/*}
  case "$listed " in *" $pid "*) continue ;; esac
  [ "$left" -gt 0 ] || break
  left=$((left - 1)) strays="$strays $pid"
  one_process "$pid"
done
set +f
IFS=' '
printf 'strays\\0%s\\0%s\\0threads\\0' "$strays" "$many"
on_paths ${word(`grep -shaE '${threadLines}' "$@"`)} $threads
printf '\\0lines\\0'
on_paths ${word(`grep -sZHaE '${limitLines}|${cgroupLines}|${mountLines}|${mountOfFile}' "$@"`)} $lines
printf '\\0files\\0'
on_paths 'grep -szZHa "" "$@"' $files
printf 'links\\0'
on_paths ${word(`find "$@" -maxdepth 1 -printf '%p\\0%Y\\0%.${maxTargetBytes}l\\0'`)} $links
printf 'again\\0'
[ -z "$again" ] || on_paths ${word(`grep -sZHaE '${mountOfFile}' "$@"`)} $again
printf '\\0counts\\0'
[ -z "$counted" ] || grep -rsHaE ${word(mountOfFile)} $counted | sed -n ${word(countedFile)} | sort | uniq -c | head -c ${maxCountBytes}
printf '\\0stats\\0'
on_paths ${word(`stat -L --printf='%n\\0%d\\0%i\\0%f\\0%u\\0%g\\0%t\\0%T\\0' "$@"`)} $stats $nodes
printf 'devices\\0'
${tryDevices}
printf '\\0end\\0'`,
  };
}
