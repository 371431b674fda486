import { sh, type ShellText } from '../model/shell.ts';

/**
 * Functions that end every process of a uid. Root cannot be killed by the target; a kill as the target user reaches all of
 * them in one system call, new ones included, so a process that forks in a loop does not get away. The kernel's view decides
 * when it is over: `Uid:` lines in /proc, which no process can forge. Never call it for a user that guests share, nor without
 * the uid's lock (uid-hold.ts).
 *   stockade_strays UID       prints pids of live processes that have the uid in any of the four fields; 1 where /proc cannot be searched
 *   stockade_reap UID         0 when none is left; 1, with `strays` to show, when some survive 100 rounds (about 4 s) or nobody can tell
 *   stockade_describe PID...  prints up to five pids with their executables, limited and without control characters
 */
export const reapFunctions: ShellText = sh`stockade_strays() {
  pattern="^Uid:.*[[:blank:]]$1([[:blank:]]|\\$)" searched=0
  found=$(grep -slE "$pattern" /proc/[0-9]*/status) || searched=$?
  # 126 is a list too long for one command; 2 is what a process that went away leaves
  if [ "$searched" -eq 126 ]; then
    searched=0
    found=$(printf '%s\\0' /proc/[0-9]*/status | xargs -0r grep -slE "$pattern") || searched=$?
  fi
  case $searched in 0 | 1 | 2 | 123) ;; *) return 1 ;; esac
  for stray in $found; do
    while read -r key value _; do
      [ "$key" != State: ] || break
    done <"$stray" || continue
    # a dead process that its parent has not waited for does nothing any more, but for one whose other threads live on
    case $value in
      Z | X)
        set -- "\${stray%/status}"/task/*
        [ $# -gt 1 ] || continue
        ;;
    esac
    stray=\${stray#/proc/}
    printf '%s ' "\${stray%/status}"
  done
} 2>/dev/null
stockade_reap() {
  round=0
  while :; do
    strays=$(stockade_strays "$1") || { strays='/proc cannot be searched'; return 1; }
    [ -n "$strays" ] || return 0
    round=$((round + 1))
    [ "$round" -le 100 ] || return 1
    kill -STOP $strays 2>/dev/null || :
    kill -KILL $strays 2>/dev/null || :
    setpriv --reuid="$1" --regid="$1" --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all \\
      sh -c 'kill -KILL -1' 2>/dev/null 6<&- || :
    [ "$round" -le 2 ] || sleep 0.04
  done
}
stockade_describe() {
  described=0
  for stray do
    [ "$described" -lt 5 ] || { printf ' and %s more' "$(($# - 5))"; break; }
    executable=$(readlink -n "/proc/$stray/exe" | tr -c ' -~' '?' | head -c 80) || :
    [ "$described" -eq 0 ] || printf ', '
    printf '%s (%s)' "$stray" "\${executable:-no executable}"
    described=$((described + 1))
  done
} 2>/dev/null`;
