import type { CollectiveStep } from '../../model/operation.ts';
import { type ShellText, sh, word } from '../../model/shell.ts';
import { defaultRoots, type HostRoots } from '../../model/paths.ts';
import { assertNever } from '../../model/assert.ts';
import type { Toolstack } from '../../model/toolstack.ts';
import type { UserScheme } from '../../spec/qemu-users.ts';
import { quarantineFunctions } from './lease-quarantine.ts';
import { surveyFunctions } from './lease-survey.ts';

/** The users a guest may take one of, as they are (or will be, in the same plan) on the host. */
export interface LeasableUsers {
  readonly scheme: UserScheme;
  readonly firstDomid: number;
  readonly lastDomid: number;
  /** uid = this + domid; for `shared`, the shared user's uid itself. */
  readonly uidBase: number;
}

/** The same, with what runs the guest. */
interface Leased extends LeasableUsers {
  readonly toolstack: Toolstack;
}

/** Whether the guest runs as the uid that it is leased: not as a shared one, nor in a range of xl's, where that follows the domain it has. */
function hasOwnUid({ scheme, toolstack }: Leased): boolean {
  return scheme === 'per-domain' || (scheme === 'range' && toolstack !== 'xl');
}

/**
 * Leases a domid and a uid to each new guest of a batch and writes them to its lease file; those that have a record are passed
 * over. The host chooses, under its lock, so that two applies at once never get the same one. docs/design/0044-uid-life-cycle.md
 * has the order in which they are taken, and what holds one back.
 */
export function leaseStep(
  guest: string,
  leasable: LeasableUsers,
  roots: HostRoots = defaultRoots,
  toolstack: Toolstack = 'qemu',
): CollectiveStep {
  const users = { ...leasable, toolstack };
  const { scheme, firstDomid, lastDomid, uidBase } = users;
  return {
    kind: 'collective',
    // members of one name share one body
    name: `lease ${scheme} ${firstDomid} ${lastDomid} ${uidBase} ${toolstack}`,
    argument: guest,
    body: sh`state=${word(roots.state)} leases=${word(`${roots.state}/leases`)}
${surveyFunctions(roots)}
${quarantineFunctions(roots)}
${heldLeases}
${userOf(users)}
${freeDomid(users)}
for directory in "$leases" "$leases/domid" "$leases/quarantine"; do [ -d "$directory" ] || mkdir -p -m 0700 "$directory"; done
surveyed=yes now=$(date +%s)
${survey(users)} || surveyed=
held_leases "$@"
for guest do
  if [ -e "$state/guests/$guest/record" ] || [ -L "$state/guests/$guest/record" ]; then member_same "$guest"; continue; fi
  free_domid
  take "$guest"
done`,
  };
}

/**
 * Of a shared user only others who hold its id matter: what runs or lies there is the other guests'. In a range of xl's the uid of a number
 * is that of whichever guest has the domain of that number now, and no more the new guest's than another's.
 */
function survey(users: Leased): ShellText {
  const { scheme, firstDomid, lastDomid, uidBase } = users;
  if (scheme === 'range' && !hasOwnUid(users)) return sh`survey=''`;
  switch (scheme) {
    case 'per-domain':
      return sh`stockade_survey ${uidBase + firstDomid} ${uidBase + lastDomid} ${uidBase} ''`;
    case 'range':
      return sh`stockade_survey ${uidBase + firstDomid} ${uidBase + lastDomid} 0 ''`;
    case 'shared':
      return sh`stockade_survey ${uidBase} ${uidBase} 0 xen-qemuuser-shared`;
    default:
      return assertNever(scheme);
  }
}

/**
 * What the guests' leases say decides. A claim (`leases/domid/N`) counts where its guest's lease cannot be read, so that a
 * damaged one never gives a domid to two guests; one without any lease was left by a run that was killed.
 */
const heldLeases = sh`held_leases() {
  held_domids=' ' held_uids=' ' damaged=' ' leasing=" $* "
  for lease in "$state"/guests/*/lease; do
    [ -e "$lease" ] || [ -L "$lease" ] || continue
    holder=\${lease%/lease} holder=\${holder##*/} held_domid= held_uid=
    # of a guest that is about to get one, and has no record: it never ran
    case $leasing in *" $holder "*) [ -e "$state/guests/$holder/record" ] || [ -L "$state/guests/$holder/record" ] || continue ;; esac
    [ ! -f "$lease" ] || while read -r key value; do
      case $key in domid) held_domid=$value ;; uid) held_uid=$value ;; esac
      [ -z "$held_domid" ] || [ -z "$held_uid" ] || break
    done <"$lease"
    case $held_domid:$held_uid in :* | *: | *[!0-9:]*) damaged="$damaged$holder " ;; esac
    held_domids="$held_domids$held_domid " held_uids="$held_uids$held_uid "
  done
}
leased() {
  case $held_domids in *" $1 "*) return 0 ;; esac
  [ "$damaged" != ' ' ] && [ -f "$leases/domid/$1" ] || return 1
  claim=
  read -r claim <"$leases/domid/$1" || :
  # a claim that cannot be read may be that of a lease that cannot
  case $claim in '' | *[!a-z0-9-]*) return 0 ;; esac
  case $damaged in *" $claim "*) return 0 ;; *) return 1 ;; esac
}`;

/**
 * `free_domid` sets `domid`, `uid`, `gid`, `user`, and `passed` to what was passed over for being left behind; it refuses where
 * none is to be had. Upwards from the last one given, so that each freed one rests until all others were used; one in quarantine
 * is taken before its time only when nothing else is left, the one that rested longest first.
 */
function freeDomid(users: Leased): ShellText {
  const { scheme, firstDomid, lastDomid } = users;
  const shared = scheme === 'shared';
  const own = hasOwnUid(users);
  return sh`pass_over() {
  passes=$((passes + 1))
  [ -n "$why" ] || why=$1 because=$2
  return 1
}
# clean: nothing is left of the uid; what is stays, and is told
clean() {
  ${
    !own
      ? sh`return 0`
      : sh`[ -n "$surveyed" ] || { pass_over leftovers-unknown 'what is left of its uid could not be looked for'; return; }
  stockade_left "$uid"
  [ -n "$left" ] || return 0
  [ -n "$passed" ] || passed="uid $uid: $left"
  pass_over leftovers "this is left of uid $uid: $left"`
  }
}
held_by_others() {
  case $uid in 0 | 65534 | 65535 | 429496729[45]) pass_over uid-forbidden "uid $uid is never leased"; return 0 ;; esac
  stockade_held "$uid"
  [ -n "$held_by" ] || return 1
  pass_over user-clash "uid $uid is held by $held_by" || return 0
}
free_domid() {
  domid=0
  [ ! -f "$leases/last" ] || read -r domid <"$leases/last" || :
  case $domid in '' | *[!0-9]* | ??????* | 0*) domid=0 ;; esac
  to_look_at=${lastDomid - firstDomid + 1} passes=0 why= because= passed= resting_domid= resting_since=
  while [ "$to_look_at" -gt 0 ]; do
    to_look_at=$((to_look_at - 1)) domid=$((domid + 1))
    if [ "$domid" -lt ${firstDomid} ] || [ "$domid" -gt ${lastDomid} ]; then domid=${firstDomid}; fi
    ! leased "$domid" && user_of "$domid" && ! held_by_others && clean || continue
    ${
      !own
        ? sh`return 0`
        : sh`stockade_rests "$domid" "$now" || return 0
    if [ -z "$resting_domid" ] || [ "$since" -lt "$resting_since" ]; then resting_domid=$domid resting_since=$since; fi`
    }
  done
  [ -z "$resting_domid" ] || { domid=$resting_domid; user_of "$domid"; return 0; }
  [ -z "$why" ] || refuse "$why" "no domid from ${firstDomid} to ${lastDomid} is left: $passes were passed over, the first because $because"
  refuse no-free-domid 'every domid from ${firstDomid} to ${lastDomid} is leased'
}
# take GUEST: claim first, so that a run which ends here has given nothing; then the lease, which decides
take() {
  if printf '%s\\n' "$1" >"$leases/domid/$domid" && { [ -d "$state/guests/$1/log" ] || mkdir -p -m 0711 -- "$state/guests/$1/log"; } &&
    printf 'domid %s\\nuid %s\\ngid %s\\nshared %s\\nuser %s\\n' "$domid" "$uid" "$gid" ${shared ? sh`yes` : sh`no`} "$user" >"$state/guests/$1/lease"; then
    held_domids="$held_domids$domid " held_uids="$held_uids$uid "
    # in place and never longer or shorter: a full disk does not lose the number, and it costs no process
    printf '%-5s\\n' "$domid" 1<>"$leases/last" || :
    [ ! -e "$leases/quarantine/$domid" ] || rm -f -- "$leases/quarantine/$domid"
    member_give "$1" domid "$domid"
    member_give "$1" uid "$uid"
    member_give "$1" gid "$gid"
    [ -z "$passed" ] || member_give "$1" passed_over "$passed"
    member_changed "$1"
  else
    rm -rf -- "$state/guests/$1" "$leases/domid/$domid"
    member_fail "$1" no-space 'the lease could not be written'
  fi
}`;
}

/** `user_of DOMID` sets `uid`, `gid` and `user`, or passes over the domid. Users that should be there and are not are not passed over. */
function userOf(users: Leased): ShellText {
  const oneGuestEach = sh`case $held_uids in *" $uid "*) pass_over uid-leased "another guest runs as uid $uid"; return ;; esac`;
  switch (users.scheme) {
    case 'per-domain':
      return sh`user_of() {
  uid=$((${users.uidBase} + $1))
  user=xen-qemuuser-domid$1
  ${oneGuestEach}
  entry=$(getent passwd "$user") || refuse user-missing "user $user does not exist on the host"
  IFS=: read -r _ _ entry_uid gid _ <<END
$entry
END
  [ "$entry_uid" = "$uid" ] || pass_over user-clash "user $user has uid $entry_uid, not $uid"
}`;
    case 'range': {
      const free = hasOwnUid(users)
        ? sh`
  ! entry=$(getent passwd "$uid") || pass_over user-clash "uid $uid is user \${entry%%:*}"`
        : sh``;
      return sh`user=xen-qemuuser-range-base
getent passwd "$user" >/dev/null || refuse user-missing "user $user does not exist on the host"
user_of() {
  uid=$((${users.uidBase} + $1)) gid=$((${users.uidBase} + $1))
  ${oneGuestEach}${free}
}`;
    }
    case 'shared':
      return sh`user=xen-qemuuser-shared
entry=$(getent passwd "$user") || refuse user-missing "user $user does not exist on the host"
IFS=: read -r _ _ uid gid _ <<END
$entry
END
[ "$uid" = ${users.uidBase} ] || refuse user-clash "user $user has uid $uid, not ${users.uidBase}"
user_of() { :; }`;
    default:
      return assertNever(users.scheme);
  }
}
