import { type ShellText, sh, word } from '../../model/shell.ts';
import type { HostRoots } from '../../model/paths.ts';
import { assertNever } from '../../model/assert.ts';
import type { UserScheme } from '../../spec/qemu-users.ts';

/** The users a guest may take one of, as they are (or will be, in the same plan) on the host. */
export interface LeasableUsers {
  readonly scheme: UserScheme;
  readonly firstDomid: number;
  readonly lastDomid: number;
  /** uid = this + domid; for `shared`, the shared user's uid itself. */
  readonly uidBase: number;
}

/**
 * Step text that leases a domid, sets `domid`, `uid`, `gid`, and refuses where none is left. The host chooses, under its lock,
 * so that two applies at once never get the same one; numbers go up, so that a freed one rests for long. What the guests'
 * leases say decides; a claim (`leases/domid/N`) only adds to it, so that a damaged one never gives a domid to two guests.
 * A domid whose uid somebody else has is passed over.
 */
export function leaseDomid(guest: string, users: LeasableUsers, roots: HostRoots): ShellText {
  const { firstDomid, lastDomid } = users;
  return sh`state=${word(roots.state)} leases=${word(`${roots.state}/leases`)} leasing=${word(guest)}
[ -d "$leases/domid" ] || mkdir -p "$leases/domid"
held_domids=' ' held_uids=' '
for lease in "$state"/guests/*/lease; do
  [ -f "$lease" ] && [ "$lease" != "$state/guests/$leasing/lease" ] || continue
  held_domid= held_uid=
  while read -r key value; do
    case $key in domid) held_domid=$value ;; uid) held_uid=$value ;; esac
    [ -z "$held_domid" ] || [ -z "$held_uid" ] || break
  done <"$lease"
  held_domids="$held_domids$held_domid " held_uids="$held_uids$held_uid "
done
# leased DOMID: a claim whose guest has no lease was left by a run that was killed: it is free
leased() {
  case $held_domids in *" $1 "*) return 0 ;; esac
  [ -f "$leases/domid/$1" ] || return 1
  read -r holder <"$leases/domid/$1" || holder=
  case $holder in '' | *[!a-z0-9-]* | "$leasing") return 1 ;; esac
  [ -f "$state/guests/$holder/lease" ]
}
pass_over() {
  passed=$((passed + 1))
  [ -n "$why" ] || why=$1 because=$2
  return 1
}
${userOf(users)}
domid=0
[ ! -f "$leases/last" ] || read -r domid <"$leases/last" || :
case $domid in '' | *[!0-9]* | ??????* | 0*) domid=0 ;; esac
left=${lastDomid - firstDomid + 1} passed=0 why= because=
while :; do
  if [ "$left" -eq 0 ]; then
    [ -z "$why" ] || refuse "$why" "no domid from ${firstDomid} to ${lastDomid} is left: $passed were passed over, the first because $because"
    refuse no-free-domid 'every domid from ${firstDomid} to ${lastDomid} is leased'
  fi
  left=$((left - 1)) domid=$((domid + 1))
  if [ "$domid" -lt ${firstDomid} ] || [ "$domid" -gt ${lastDomid} ]; then domid=${firstDomid}; fi
  if ! leased "$domid" && user_of "$domid"; then break; fi
done
printf '%s\\n' "$leasing" >"$leases/domid/$domid" ||
  { rm -f -- "$leases/domid/$domid"; fail no-space 'the claim of a domid could not be written'; }
# in place and never longer or shorter: a full disk does not lose the number, and it costs no process
printf '%-5s\\n' "$domid" 1<>"$leases/last"`;
}

/** `user_of DOMID` sets `uid` and `gid`, or passes over the domid. Users that should be there and are not are not passed over. */
function userOf(users: LeasableUsers): ShellText {
  switch (users.scheme) {
    case 'per-domain':
      return sh`user_of() {
  uid=$((${users.uidBase} + $1))
  name=xen-qemuuser-domid$1
  case $held_uids in *" $uid "*) pass_over uid-leased "another guest runs as uid $uid"; return ;; esac
  entry=$(getent passwd "$name") || refuse user-missing "user $name does not exist on the host"
  IFS=: read -r _ _ entry_uid gid _ <<END
$entry
END
  [ "$entry_uid" = "$uid" ] || pass_over user-clash "user $name has uid $entry_uid, not $uid"
}`;
    case 'range':
      return sh`getent passwd xen-qemuuser-range-base >/dev/null ||
  refuse user-missing 'user xen-qemuuser-range-base does not exist on the host'
user_of() {
  uid=$((${users.uidBase} + $1)) gid=$((${users.uidBase} + $1))
  case $held_uids in *" $uid "*) pass_over uid-leased "another guest runs as uid $uid"; return ;; esac
  ! entry=$(getent passwd "$uid") || pass_over user-clash "uid $uid is user \${entry%%:*}"
}`;
    case 'shared':
      return sh`user_of() {
  entry=$(getent passwd xen-qemuuser-shared) ||
    refuse user-missing 'user xen-qemuuser-shared does not exist on the host'
  IFS=: read -r _ _ uid gid _ <<END
$entry
END
}`;
    default:
      return assertNever(users.scheme);
  }
}

/** Step text that writes the guest's lease file from `domid`, `uid` and `gid`. */
export function writeLease(guestDirectory: string, scheme: UserScheme): ShellText {
  const shared = scheme === 'shared' ? sh`'shared yes'` : sh`'shared no'`;
  return sh`printf 'domid %s\\nuid %s\\ngid %s\\n%s\\n' "$domid" "$uid" "$gid" ${shared} >${word(`${guestDirectory}/lease`)} ||
  fail no-space 'the lease could not be written'
give domid "$domid"
give uid "$uid"
give gid "$gid"`;
}
