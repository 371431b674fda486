### qemu-users per-domain on hv1: users
### after: -
# (accounts.sh)
state=/var/lib/stockade fleet=prod scheme=per-domain
set=$state/users/$scheme part=$state/users/$scheme.owners/$fleet
number() { case $1 in '' | *[!0-9]* | ???????????*) fail record-damaged "not a number in $2: $1" ;; esac; }
# read_set: base and reaper of the set as it is; false without one
read_set() {
  set_there=
  set_state=0
  record_read "$set" || set_state=$?
  [ "$set_state" -ne 2 ] || refuse record-damaged "$set is not a readable record"
  [ "$set_state" -eq 0 ] || return 1
  set_there=1
  base=${rec_uid_base-} reaper=${rec_reaper_uid-}
  number "$base" "$set"
  number "$reaper" "$set"
}
# stranded FIRST LAST: refuses when a guest of this fleet runs as a user of this set past FIRST..LAST
stranded() {
  for guest in "$state"/guests/*/record; do
    [ -e "$guest" ] || [ -L "$guest" ] || continue
    record_read "$guest" || refuse record-damaged "$guest is not a readable record"
    [ "$rec_owner" = "$fleet" ] || continue
    guest=${guest%/record}
    uid=
    [ -f "$guest/lease" ] || continue
    while read -r key value; do [ "$key" != uid ] || uid=$value; done <"$guest/lease"
    number "$uid" "$guest/lease"
    [ "$uid" -gt "$base" ] && [ "$uid" -le "$((base + 32751))" ] || continue
    [ "$uid" -lt "$((base + $1))" ] || [ "$uid" -gt "$((base + $2))" ] || continue
    refuse users-in-use "guest ${guest##*/} runs as uid $uid of this set"
  done
}
# wanted_by_owners [LEAVE-OUT]: sets owners, and request to what they want together
wanted_by_owners() {
  owners= request=
  for other in "$set".owners/*; do
    other_fleet=${other##*/}
    case $other_fleet in '*' | *.new | "${1-}") continue ;; esac
    record_read "$other" || fail record-damaged "$other is not a readable record"
    number "${rec_first_domid-}" "$other"
    number "${rec_last_domid-}" "$other"
    owners="$owners $other_fleet"
    request="$request
keep-range xen-qemuuser-domid $rec_first_domid $rec_last_domid $base"
  done
  request="$request
drop-rest xen-qemuuser-domid $base"
  sets=
  for other in "$state"/users/*; do
    if [ -f "$other" ] && [ "$other" != "$set" ]; then sets=1; fi
  done
  if [ -n "$owners$sets" ]; then request="$request
keep xen-qemuuser-reaper $reaper"
  else request="$request
drop xen-qemuuser-reaper auto"
  fi
}
[ -e "$part" ] || exit 0
expect_record "$part" "$fleet" any
if ! read_set; then
  rm -f -- "$part"
  rmdir -- "$set.owners" 2>/dev/null || :
  changed
  exit 0
fi
stranded 0 -1
wanted_by_owners "$fleet"
accounts_rewrite "$request"
rm -f -- "$part"
if [ -z "$owners" ]; then rm -f -- "$set" && rmdir -- "$set.owners"; fi
changed
