import { shareUnitPrefix } from '../../jail/share-places.ts';
import { reapFunctions } from '../../jail/strays.ts';
import { holdFunctions } from '../../jail/uid-hold.ts';
import type { CollectiveStep } from '../../model/operation.ts';
import { guestUnit, type HostRoots, unitPlaces } from '../../model/paths.ts';
import { type ShellText, sh, word, words } from '../../model/shell.ts';
import type { GuestIdentity } from '../../toolstacks/xl/config.ts';
import { healChroot } from './chroot-healing.ts';
import { endDomain } from './end-domain.ts';
import { verifiedFilesPath } from './facts.ts';
import { quarantineFunctions } from './lease-quarantine.ts';
import { surveyFunctions } from './lease-survey.ts';
import { startsAtBoot } from './unit-files.ts';

/**
 * Ends what stopped guests left running, looks for what else there is of their uids, once for all that a batch removes, and lets
 * the uids rest. What it did not start it leaves alone, and gives back in words as `leftovers`: files and System V objects are
 * for people to remove, and no uid is leased again before.
 */
export function reapStep(guest: string, roots: HostRoots): CollectiveStep {
  return {
    kind: 'collective',
    name: 'reap-guests',
    argument: guest,
    body: sh`state=${word(roots.state)}
${reapFunctions}
${holdFunctions(roots)}
${surveyFunctions(roots)}
${quarantineFunctions(roots)}
# lease_of GUEST: false where it says nothing of a uid of its own; in a range xl takes another one at each start, and ends it itself
lease_of() {
  domid= uid= shared=no user=
  [ -f "$state/guests/$1/lease" ] || return 1
  while read -r key value; do
    case $key in domid) domid=$value ;; uid) uid=$value ;; shared) shared=$value ;; user) user=$value ;; esac
  done <"$state/guests/$1/lease"
  [ "$shared" = no ] || return 1
  if [ "$user" = xen-qemuuser-range-base ]; then
    record_read "$state/guests/$1/record" || return 1
    [ "\${rec_toolstack-}" != xl ] || return 1
  fi
  case $domid:$uid in :* | *: | *[!0-9:]* | *:0*) return 1 ;; esac
}
# end_processes GUEST: those of its uid, where the guest was started as it in this boot
end_processes() {
  [ -e "$uids/$uid" ] || return 0
  stockade_hold "$uid" || { member_fail "$1" uid-locked "cannot lock $uids/$uid"; return 1; }
  ended=0
  if [ "$holder" = "$1" ]; then
    if stockade_reap "$uid"; then rm -f -- "$uids/$uid"
    else
      member_fail "$1" strays-left "processes of uid $uid survive: $(stockade_describe $strays)"
      ended=1
    fi
  fi
  exec 6<&-
  return "$ended"
}
resting= low= high=
for guest do
  lease_of "$guest" || { member_same "$guest"; continue; }
  end_processes "$guest" || continue
  resting="$resting $guest:$domid:$uid"
  if [ -z "$low" ] || [ "$uid" -lt "$low" ]; then low=$uid; fi
  if [ -z "$high" ] || [ "$uid" -gt "$high" ]; then high=$uid; fi
done
[ -n "$resting" ] || exit 0
surveyed=yes now=$(date +%s)
stockade_survey "$low" "$high" 0 '' || surveyed=
for one in $resting; do
  guest=\${one%%:*} uid=\${one##*:} domid=\${one#*:} domid=\${domid%:*}
  stockade_left "$uid"
  [ -n "$surveyed" ] || left='not known: the host could not be searched'
  if stockade_rest "$domid" "$uid" "$now" "guest $guest was removed\${left:+; left behind: $left}"; then
    [ -z "$left" ] || member_give "$guest" leftovers "uid $uid: $left"
    member_changed "$guest"
  else member_fail "$guest" no-space 'the quarantine of its uid could not be written'
  fi
done`,
  };
}

/** Everything of one stopped guest, but for uploaded files: others may share them. */
export function removeGuest(guest: GuestIdentity, roots: HostRoots): ShellText {
  const { name } = guest;
  const unit = guestUnit(name);
  const state = word(roots.state);
  const directory = word(`${roots.state}/guests/${name}`);
  return sh`${endDomain(guest, roots)}
if record_read ${directory}/record && [ "\${rec_toolstack-}" = xl ]; then
  rm -f -- ${word(`/var/log/xen/qemu-dm-${name}.log`)}*
fi
rm -f -- ${word(startsAtBoot(name))}
for place in ${words(unitPlaces)}; do
  for file in "$place"/${word(unit)} "$place"/${word(unit)}.d "$place"/${word(shareUnitPrefix(name))}*; do
    if [ -e "$file" ] || [ -L "$file" ]; then rm -rf -- "$file"; fi
  done
done
(
${healChroot(name, true, roots)}
)
rm -rf --one-file-system -- ${word(`${roots.run}/guests/${name}`)}
domid=
if [ -f ${directory}/lease ]; then
  while read -r key value; do [ "$key" != domid ] || domid=$value; done <${directory}/lease
fi
case $domid in '' | *[!0-9]*) ;; *) rm -f -- ${state}/leases/domid/"$domid" ;; esac
rm -rf --one-file-system -- ${directory}
changed`;
}

/** The uploaded files that no record names any more, once for all guests that a batch removes. */
export function collectFilesStep(guest: string, roots: HostRoots): CollectiveStep {
  const state = word(roots.state);
  return {
    kind: 'collective',
    name: 'collect-files',
    argument: guest,
    body: sh`named=: damaged= left=
for record in ${state}/guests/*/record; do
  [ -e "$record" ] || [ -L "$record" ] || continue
  record_read "$record" || damaged=1
  named="$named\${rec_files-}:"
done
for file in ${state}/files/*; do
  # a record that cannot be read may name any of them
  case $damaged$named in 1* | *":\${file##*/}:"*) left=1 ;; *) [ ! -f "$file" ] || rm -f -- "$file" ;; esac
done
[ -n "$left" ] || [ ! -f ${word(verifiedFilesPath(roots))} ] || rm -f -- ${word(verifiedFilesPath(roots))}
for guest do member_changed "$guest"; done`,
  };
}
