import type { HostRoots } from '../model/paths.ts';
import { sh, type ShellText, word } from '../model/shell.ts';
import type { LauncherStep } from './step.ts';

/** Where it is kept, for this boot, which guest was started as which uid: a file per uid, which is its lock too. */
export function uidsDirectory(roots: HostRoots): string {
  return `${roots.run}/uids`;
}

/**
 * Functions about the uids that guests were started as. What is below the run directory goes with a boot, as processes do, and
 * no backup brings it back: so the name in the file says whose the processes of the uid are.
 *   stockade_hold UID   locks the uid on descriptor 6 and sets `holder` to the guest started as it, or to nothing; 1 where that cannot be
 * Let go of by `exec 6<&-`.
 */
export function holdFunctions(roots: HostRoots): ShellText {
  return sh`uids=${word(uidsDirectory(roots))}
stockade_hold() {
  [ -d "$uids" ] || mkdir -p -m 0700 -- "$uids" || return 1
  for hold_try in 1 2 3; do
    { command exec 6<>"$uids/$1"; } 2>/dev/null || return 1
    flock -w 30 6 || return 1
    # who had it may have taken the file away with its guest: then it locks nothing
    [ "$uids/$1" -ef /proc/self/fd/6 ] || continue
    holder=
    read -r holder <&6 || :
    case $holder in *[!a-z0-9-]*) holder= ;; esac
    return 0
  done
  return 1
}`;
}

/**
 * Part of the step `user`. The first time in a boot that a guest starts as its uid, processes of it are somebody else's: they
 * are named and left alone. After that they are the guest's own, and are ended.
 */
export const claimUid: ShellText = sh`  if [ "$shared" = no ]; then
    stockade_hold "$uid" || fail "cannot lock $uids/$uid"
    if [ "$holder" = "$guest" ]; then
      stockade_reap "$uid" || fail "processes of uid $uid cannot be ended: $strays"
    else
      held_uid=''
      [ -z "$holder" ] || [ ! -f "\${lease%/*/lease}/$holder/lease" ] || while read -r key value; do
        [ "$key" != uid ] || held_uid=$value
      done <"\${lease%/*/lease}/$holder/lease"
      [ "$held_uid" != "$uid" ] || fail "guest $holder was started as uid $uid already, and still has it"
      strays=$(stockade_strays "$uid") || fail '/proc cannot be searched'
      [ -z "$strays" ] || fail "uid $uid has processes that this guest did not start, left alone: $(stockade_describe $strays)"
      printf '%s\\n' "$guest" >"$uids/$uid" || fail "cannot write $uids/$uid"
    fi
    exec 6<&-
  fi`;

/** Run when the guest's unit is over, however it ended. What a launch refused to touch is not touched here either. */
export function reapStep(): LauncherStep {
  return {
    name: 'reap',
    comment: sh`Nothing of the guest is left alive after its end, wherever on the host it went; of a shared user nobody can tell`,
    body: sh`  [ "$shared" = no ] && [ -s "$uids/$uid" ] || return 0
  stockade_hold "$uid" || fail "cannot lock $uids/$uid"
  [ "$holder" != "$guest" ] || stockade_reap "$uid" || fail "processes of uid $uid cannot be ended: $strays"
  exec 6<&-`,
  };
}
