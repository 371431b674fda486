import type { HostRoots } from '../../model/paths.ts';
import { type ShellText, sh, word } from '../../model/shell.ts';

/**
 * How long a freed uid rests before it is as good as any other. A day outlasts what is done about a removed guest by people and
 * by nightly jobs: backups, checks of files, a restart of the host. Unit: seconds.
 */
export const restSeconds = 86_400;

/**
 * Functions about domids that were freed: `leases/quarantine/DOMID` holds `since SECONDS` (of the epoch), `uid N` and `why TEXT`.
 *   stockade_rest DOMID UID NOW WHY   puts it there; 1 where that cannot be written
 *   stockade_rests DOMID NOW          sets `since`; 1 when it is not there or has rested long enough
 */
export function quarantineFunctions(roots: HostRoots): ShellText {
  return sh`quarantine=${word(`${roots.state}/leases/quarantine`)}
stockade_rest() {
  [ -d "$quarantine" ] || mkdir -p -m 0700 "$quarantine"
  printf 'since %s\\nuid %s\\nwhy %s\\n' "$3" "$2" "$4" >"$quarantine/$1"
}
stockade_rests() {
  [ -e "$quarantine/$1" ] || [ -L "$quarantine/$1" ] || return 1
  since=
  [ ! -f "$quarantine/$1" ] || while read -r rest_key rest_value; do
    [ "$rest_key" != since ] || since=$rest_value
  done <"$quarantine/$1"
  # one that cannot be read, or of a time to come, has only just begun to rest
  case $since in '' | *[!0-9]* | ??????????????* | 0*) since=$2 ;; esac
  [ "$since" -le "$2" ] || since=$2
  [ "$((since + ${restSeconds}))" -gt "$2" ]
}`;
}
