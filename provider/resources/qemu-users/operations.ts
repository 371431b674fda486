import { describeAddress } from '../../model/address.ts';
import type { Change } from '../../model/change.ts';
import type { Operation } from '../../model/operation.ts';
import { defaultRoots, type HostRoots, reaperUser } from '../../model/paths.ts';
import { lines, type ShellText, sh, word } from '../../model/shell.ts';
import { lastPossibleDomid, type UserScheme } from '../../spec/qemu-users.ts';
import { accountsFunctions } from '../accounts/rewrite.ts';
import { type QemuUsersDesired, qemuUsersDigest } from './desired.ts';
import type { QemuUsersFacts } from './facts.ts';
import { type DomidRange, domidUserPrefix, namedUser, qemuUsersAddress, uidsOf } from './names.ts';
import type { ResolvedIds } from './uid-base.ts';

export interface QemuUsersOperationInput {
  readonly change: Change;
  readonly desired: QemuUsersDesired;
  readonly ids: ResolvedIds;
  readonly facts: Pick<QemuUsersFacts, 'owners'>;
  /** Ids of operations in the same batch that must come first (the host's). */
  readonly after?: readonly string[];
  readonly roots?: HostRoots;
}

interface Place {
  readonly scheme: UserScheme;
  readonly fleet: string;
  readonly roots: HostRoots;
}

/** The id of the one step that makes, heals or removes a set of users. */
export function qemuUsersStepId(users: { readonly host: string; readonly scheme: UserScheme }): string {
  return `${describeAddress(qemuUsersAddress(users))}: users`;
}

/**
 * The operation that brings the users from what is to what is asked for. It gives back `uid_base` and `reaper_uid`. The set
 * is what all its owners together want, read on the host at that moment; so two fleets never undo each other's users.
 */
export function qemuUsersOperations(input: QemuUsersOperationInput): readonly Operation[] {
  const { change, desired, facts, after } = input;
  if (change.action === 'noop') return [];
  const place = { scheme: desired.scheme, fleet: desired.fleet, roots: input.roots ?? defaultRoots };
  const generation = facts.owners.get(desired.fleet)?.generation;
  return [operation(desired, makeUsers(input, place, generation), after ?? [])];
}

/** The operation that takes one fleet's part away: users that no other fleet wants go, and with the last owner the set. */
export function qemuUsersRemoval(
  users: { readonly host: string; readonly scheme: UserScheme },
  fleet: string,
  generation: number | 'any',
  roots: HostRoots = defaultRoots,
): readonly Operation[] {
  return [operation(users, removeUsers({ scheme: users.scheme, fleet, roots }, generation), [])];
}

function operation(
  users: { readonly host: string; readonly scheme: UserScheme },
  body: ShellText,
  needs: readonly string[],
): Operation {
  return {
    id: qemuUsersStepId(users),
    address: qemuUsersAddress(users),
    needs,
    step: { kind: 'own', body },
  };
}

function makeUsers(
  { desired, ids }: QemuUsersOperationInput,
  place: Place,
  generation: number | undefined,
): ShellText {
  return sh`${setFunctions(place)}
[ -f "$state/owners/$fleet" ] || refuse host-not-prepared "the host is not prepared for fleet $fleet"
expect_record "$part" "$fleet" ${generation ?? sh`none`}
next=$((\${rec_generation:-0} + 1))
base=${ids.uidBase} reaper=${ids.reaperUid}
if read_set && [ "$base $reaper" != ${ids.uidBase}' '${ids.reaperUid} ]; then
  refuse uid-base-conflict "the users are there already, with uid base $base and reaper $reaper; leave uid_base out to share them"
fi
${apartFromOthers(desired, ids.uidBase)}
stranded ${desired.firstDomid} ${desired.lastDomid}
# what fails half-way in a new set leaves no record; users are all made or none
undo() {
  [ "$next" -gt 1 ] || rm -f -- "$part"
  [ -n "$set_there" ] || { rm -f -- "$set"; rmdir -- "$set.owners" || :; }
} 2>/dev/null
trap undo EXIT
mkdir -p "$set.owners"
[ -n "$set_there" ] || record_write "$set" owner "$fleet" generation 1 uid_base "$base" reaper_uid "$reaper"
record_write "$part" owner "$fleet" generation "$next" digest ${word(qemuUsersDigest(desired, ids.uidBase))} first_domid ${desired.firstDomid} last_domid ${desired.lastDomid}
wanted_by_owners
accounts_rewrite "$request"
trap - EXIT
changed
give uid_base "$base"
give reaper_uid "$reaper"`;
}

/** Two schemes never share a uid: asked again under the lock, since another fleet may have made a set since the plan. */
function apartFromOthers(desired: QemuUsersDesired, uidBase: number): ShellText {
  return sh`for other in "$state"/users/*; do
  [ -f "$other" ] && [ "$other" != "$set" ] || continue
  record_read "$other" || refuse record-damaged "$other is not a readable record"
  number "\${rec_uid_base-}" "$other"
  from=$((rec_uid_base + 1)) to=$((rec_uid_base + ${lastPossibleDomid}))
  case \${other##*/} in
    range) from=$rec_uid_base ;;
    shared) from=$rec_uid_base to=$rec_uid_base ;;
  esac
  ${lines(
    uidsOf(desired.scheme, uidBase, desired).map(
      ({ first, last }) => sh`if [ "$from" -le ${last} ] && [ "$to" -ge ${first} ]; then
    refuse user-clash "the user ids ${first} to ${last} overlap those of scheme \${other##*/}, from $rec_uid_base on"
  fi`,
    ),
  )}
done`;
}

function removeUsers(place: Place, generation: number | 'any'): ShellText {
  return sh`${setFunctions(place)}
[ -e "$part" ] || exit 0
expect_record "$part" "$fleet" ${generation === 'any' ? sh`any` : generation}
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
changed`;
}

/** What both bodies are made of; they read records by builtins alone. */
function setFunctions({ scheme, fleet, roots }: Place): ShellText {
  return lines([
    accountsFunctions,
    sh`state=${word(roots.state)} fleet=${word(fleet)} scheme=${word(scheme)}
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
  base=\${rec_uid_base-} reaper=\${rec_reaper_uid-}
  number "$base" "$set"
  number "$reaper" "$set"
}
# stranded FIRST LAST: refuses when a guest of this fleet runs as a user of this set past FIRST..LAST
stranded() {
  for guest in "$state"/guests/*/record; do
    [ -e "$guest" ] || [ -L "$guest" ] || continue
    record_read "$guest" || refuse record-damaged "$guest is not a readable record"
    [ "$rec_owner" = "$fleet" ] || continue
    guest=\${guest%/record}
    uid=
    [ -f "$guest/lease" ] || continue
    while read -r key value; do [ "$key" != uid ] || uid=$value; done <"$guest/lease"
    number "$uid" "$guest/lease"
    ${ofThisSet(scheme)}
    refuse users-in-use "guest \${guest##*/} runs as uid $uid of this set"
  done
}
# wanted_by_owners [LEAVE-OUT]: sets owners, and request to what they want together
wanted_by_owners() {
  owners= request=
  for other in "$set".owners/*; do
    other_fleet=\${other##*/}
    case $other_fleet in '*' | *.new | "\${1-}") continue ;; esac
    record_read "$other" || fail record-damaged "$other is not a readable record"
    number "\${rec_first_domid-}" "$other"
    number "\${rec_last_domid-}" "$other"
    owners="$owners $other_fleet"
    ${wantedByOne(scheme)}
  done
  ${wantedByAll(scheme)}
  sets=
  for other in "$state"/users/*; do
    if [ -f "$other" ] && [ "$other" != "$set" ]; then sets=1; fi
  done
  if [ -n "$owners$sets" ]; then request="$request
keep ${word(reaperUser)} $reaper"
  else request="$request
drop ${word(reaperUser)} auto"
  fi
}`,
  ]);
}

/** Goes on to the next guest where `uid` is not of this set, or stays within what is asked for. */
function ofThisSet(scheme: UserScheme): ShellText {
  return scheme === 'shared'
    ? sh`[ "$uid" -eq "$base" ] && [ "$2" -lt 0 ] || continue`
    : sh`[ "$uid" -gt "$base" ] && [ "$uid" -le "$((base + 32751))" ] || continue
    [ "$uid" -lt "$((base + $1))" ] || [ "$uid" -gt "$((base + $2))" ] || continue`;
}

function wantedByOne(scheme: UserScheme): ShellText {
  switch (scheme) {
    case 'per-domain':
      return sh`request="$request
keep-range ${word(domidUserPrefix)} $rec_first_domid $rec_last_domid $base"`;
    case 'range':
      return sh`request="$request
free $((base + rec_first_domid)) $((base + rec_last_domid))"`;
    case 'shared':
      return sh`:`;
  }
}

function wantedByAll(scheme: UserScheme): ShellText {
  const named = namedUser(scheme);
  if (named === undefined) {
    return sh`request="$request
drop-rest ${word(domidUserPrefix)} $base"`;
  }
  return sh`if [ -n "$owners" ]; then request="$request
keep ${word(named)} $base"
  else request="$request
drop ${word(named)} auto"
  fi`;
}

/** How many domids a set offers a fleet; what a guest's lease may be taken from. */
export function leasable(
  facts: QemuUsersFacts,
  fleet: string,
): (DomidRange & { readonly scheme: UserScheme; readonly uidBase: number }) | undefined {
  const owner = facts.owners.get(fleet);
  if (owner === undefined || facts.record === undefined) return undefined;
  const { firstDomid, lastDomid } = owner;
  return { scheme: facts.scheme, firstDomid, lastDomid, uidBase: facts.record.uidBase };
}
