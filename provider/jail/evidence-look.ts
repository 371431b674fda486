import { joined, sh, type ShellText, word } from '../model/shell.ts';
import { cgroupFiles } from './observation.ts';

/** With more open files than this only the first hundred numbers of a process are shown; an honest QEMU has some forty. */
const maxOpenFiles = 512;
/** The same where a guest has shares: QEMU holds the files that its guest has open. */
const maxSharedFiles = 4096;
/** Of one with more open files than are listed it is counted how many are in which mount, up to this number: some seconds of reading. */
const maxCountedFiles = 200_000;
/** Processes of one guest that are looked for below its main process; an honest guest has some six. */
const maxDescendants = 256;

const limitFiles = joined(
  cgroupFiles.map((name) => sh` $1/${word(name)}`),
  sh``,
);

/**
 * Part of the evidence section: what is to be read of one process, of a cgroup, of a unit. They only add to the lists of paths that are
 * read afterwards, all at once (`on_paths`).
 */
export const lookFunctions: ShellText = sh`# on_paths SCRIPT PATH...: runs it with these arguments, in portions where one command cannot take them all
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
  listed="$listed $1" threads="$threads /proc/$1/task/*/status" lines="$lines /proc/$1/limits /proc/$1/cgroup"
  files="$files /proc/$1/stat"
  [ -z "$label" ] || files="$files /proc/$1/task/*/$label"
  namespaces_of "$1"
  links="$links /proc/$1/exe"
  stats="$stats /proc/$1/exe /proc/$1/root/. /proc/$1/cwd/. /proc/$1"
  set +f
  set -- "$1" /proc/"$1"/fd/*
  set -f
  limit=${maxOpenFiles}
  [ "$shared" != guest ] || limit=${maxSharedFiles}
  if [ $# -le "$((limit + 1))" ]; then
    links="$links /proc/$1/fd"
    infos=/proc/$1/fdinfo/*
  else
    many="$many $1" links="$links /proc/$1/fd/[0-9] /proc/$1/fd/[0-9][0-9]"
    infos="/proc/$1/fdinfo/[0-9] /proc/$1/fdinfo/[0-9][0-9]"
    [ -z "$shared" ] || [ $# -gt ${maxCountedFiles} ] || counted="$counted /proc/$1/fdinfo"
    set +f
    set -- "$1" /proc/"$1"/fd/[0-9] /proc/"$1"/fd/[0-9][0-9]
    set -f
  fi
  [ -z "$shared" ] || lines="$lines $infos" again="$again $infos"
  shift
  for file do
    if [ -f "$file" ] || [ -b "$file" ] || [ -c "$file" ] || [ -d "$file" ]; then stats="$stats $file"; fi
  done
}
# one_group DIRECTORY: the limits it has, and what lies on the disks that are limited
one_group() {
  files="$files${limitFiles}"
  # elsewhere devices are a matter of another hierarchy
  [ "$mount" != /sys/fs/cgroup ] || [ ! -f "$1/cgroup.events" ] || trials="$trials $name $1"
  [ -r "$1/io.max" ] || return 0
  while read -r disk _; do
    case $disk in '' | *[!0-9:]*) continue ;; esac
    # a file that is read twice counts as not read
    case "$blocks " in *" $disk "*) continue ;; esac
    blocks="$blocks $disk"
    disk=/sys/dev/block/$disk
    files="$files $disk/dev $disk/*/dev $disk/holders/*/dev $disk/*/holders/*/dev"
  done <"$1/io.max"
}
# one_family: the unit's main process and its descendants, those that were moved to another cgroup too
one_family() {
  case $main in '' | 0 | *[!0-9]*) return 0 ;; esac
  next=$main left=${maxDescendants}
  while [ -n "$next" ]; do
    set -- $next
    next=''
    for pid do
      left=$((left - 1))
      [ "$left" -gt 0 ] || return 0
      case "$pids " in
        *" $pid "*) ;;
        *)
          [ -d "/proc/$pid" ] || continue
          pids="$pids $pid"
          one_process "$pid"
          ;;
      esac
      children=''
      # the kernel ends this line without a newline
      read -r children <"/proc/$pid/task/$pid/children" || :
      next="$next\${children:+ $children}"
    done
  done
} 2>/dev/null
# members NAME: processes of the unit's cgroup and below its main process, and the limits of that cgroup
members() {
  name=$1 pids='' many=''
  for mount in /sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/systemd; do
    [ -n "$group" ] && [ -r "$mount$group/cgroup.procs" ] || continue
    while read -r pid; do
      case $pid in '' | 0 | *[!0-9]*) continue ;; esac
      pids="$pids $pid"
      one_process "$pid"
    done <"$mount$group/cgroup.procs"
    one_group "$mount$group"
    break
  done
  one_family
}`;
