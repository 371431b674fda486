import type { LauncherStep } from '../../jail/step.ts';
import { unprivilegedLogger } from '../../jail/user.ts';
import { loggerUser } from '../../model/paths.ts';
import { sh, word } from '../../model/shell.ts';

/**
 * The step `user` where users are of a range. The uid is libxl's choice, the base and the domid to come, and which guest has it changes with
 * each start: that of the lease may be another guest's now, so nothing of it is claimed here, nor ended. libxl refuses a uid that has a name,
 * notes it in xenstore (`device-model-kill-uid`), and kills all of it whenever it destroys the domain (Xen, tools/libs/light/libxl_dm.c).
 */
export function rangeUserStep(): LauncherStep {
  return {
    name: 'user',
    comment: sh`The base of the range is there, and what was leased from; the uid itself, base and domid, is libxl's choice and libxl's to end`,
    body: sh`  logger_uid='' logger_gid='' base=''
  [ "$user" = xen-qemuuser-range-base ] || fail "the lease is of user $user, not of a range"
  entries=$(getent passwd ${word(loggerUser)} "$user" || :)
  while IFS=: read -r name _ id group _; do
    case $name in
      ${word(loggerUser)}) logger_uid=$id logger_gid=$group ;;
      "$user") base=$id ;;
    esac
  done <<END
$entries
END
  [ -n "$base" ] || fail "user $user does not exist"
  [ "$base" = "$((uid - domid))" ] || fail "user $user has uid $base, not $((uid - domid))"
${unprivilegedLogger}`,
  };
}
