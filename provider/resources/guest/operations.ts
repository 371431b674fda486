import { reapFunctions } from '../../jail/strays.ts';
import type { Change } from '../../model/change.ts';
import type { CollectiveStep, Operation, Upload } from '../../model/operation.ts';
import { defaultRoots, guestUnit, type HostRoots, unitDirectory } from '../../model/paths.ts';
import { describeAddress } from '../../model/address.ts';
import { type ShellText, sh, word } from '../../model/shell.ts';
import { putFile, removeFiles } from '../shared/files.ts';
import { type GuestDesired, guestAddress, guestDigest, storeGuest, uploadedDigests } from './desired.ts';
import { type GuestFacts, verifiedFilesPath } from './facts.ts';
import { type LeasableUsers, leaseDomid, writeLease } from './lease.ts';
import type { RenderedGuest } from './render.ts';
import { missingLayers } from './requests.ts';
import { installUnit, startsAtBoot } from './unit-files.ts';
import { reloadStep, startStep, stopStep } from './supervise.ts';

/** What the operations of one guest are made from. */
export interface GuestOperationInput {
  readonly change: Change;
  readonly desired: GuestDesired;
  readonly facts: GuestFacts | undefined;
  readonly users: LeasableUsers;
  readonly rendered: RenderedGuest;
  /** Content of the files to upload, by digest; those that the host has need not be here. */
  readonly uploads: ReadonlyMap<string, Upload>;
  /** Ids of operations in the same batch that must come first (host, users). */
  readonly after?: readonly string[];
  readonly roots?: HostRoots;
}

/** The names of a guest's steps, in the order in which they run. */
type StepName =
  | 'record'
  | 'kernel'
  | 'initrd'
  | 'launcher'
  | 'unit'
  | 'reload'
  | 'stop'
  | 'chroot'
  | 'start'
  | 'remove'
  | 'collect';

/** Operations that bring a guest from what is to what is asked for: create, update (live) or restart. None for `noop`. */
export function guestOperations(input: GuestOperationInput): readonly Operation[] {
  const { change, desired, facts } = input;
  if (change.action === 'noop') return [];
  const roots = input.roots ?? defaultRoots;
  const chain = new Chain(desired, input.after ?? []);
  const restarts = change.action === 'restart';
  chain.add('record', facts === undefined ? createRecord(input, roots) : moveRecord(input, facts, roots));
  for (const [step, file] of [
    ['kernel', desired.kernel],
    ['initrd', desired.initrd],
  ] as const) {
    const upload = file?.kind === 'digest' ? input.uploads.get(file.sha256) : undefined;
    if (upload !== undefined) chain.add(step, receiveFile(upload, facts, roots), [upload]);
  }
  chain.add(
    'launcher',
    putFile(`${roots.state}/guests/${desired.name}/launch`, input.rendered.launcher, '0700'),
  );
  chain.add('unit', installUnit(desired, input.rendered));
  if (facts !== undefined) chain.collect('reload', reloadStep(desired.name));
  if (restarts) chain.collect('stop', stopStep(desired.name));
  if (facts !== undefined) chain.add('chroot', healChroot(desired.name, restarts, roots));
  if (restarts || change.action === 'create') chain.collect('start', startStep(desired.name, roots));
  return chain.operations;
}

/** Operations that remove a guest and everything of it. It takes the record's owner to be `fleet`. */
export function guestRemoval(
  guest: { readonly host: string; readonly name: string },
  fleet: string,
  generation: number | 'any',
  roots: HostRoots = defaultRoots,
): readonly Operation[] {
  const chain = new Chain(guest, []);
  chain.add('record', expectOwn(guest.name, fleet, generation, roots));
  chain.collect('stop', stopStep(guest.name));
  chain.add('remove', removeGuest(guest.name, roots));
  chain.collect('collect', collectFilesStep(guest.name, roots));
  return chain.operations;
}

/**
 * Stops a guest whose isolation does not hold, where it is still the fleet's and as it was judged; its record and files stay.
 * It does not come back at boot: the next Apply that starts it puts it among what does.
 */
export function guestStop(
  guest: { readonly host: string; readonly name: string },
  fleet: string,
  generation: number | 'any',
  roots: HostRoots = defaultRoots,
): readonly Operation[] {
  const chain = new Chain(guest, []);
  chain.add(
    'record',
    sh`${expectThere(guest.name, fleet, generation, roots)}
${removeFiles([startsAtBoot(guest.name)])}`,
  );
  chain.collect('stop', stopStep(guest.name));
  return chain.operations;
}

export function guestStepId(guest: { readonly host: string; readonly name: string }, step: StepName): string {
  return `${describeAddress(guestAddress(guest))}: ${step}`;
}

/** Steps of one guest, each needing the one before. */
class Chain {
  readonly operations: Operation[] = [];
  readonly #guest: { readonly host: string; readonly name: string };
  #needs: readonly string[];

  constructor(guest: { readonly host: string; readonly name: string }, needs: readonly string[]) {
    this.#guest = guest;
    this.#needs = needs;
  }

  add(step: StepName, body: ShellText, uploads?: readonly Upload[]): void {
    this.#push(step, { kind: 'own', body, ...(uploads === undefined ? {} : { uploads }) });
  }

  collect(step: StepName, collective: CollectiveStep): void {
    this.#push(step, collective);
  }

  #push(name: StepName, step: Operation['step']): void {
    const id = guestStepId(this.#guest, name);
    this.operations.push({ id, address: guestAddress(this.#guest), needs: this.#needs, step });
    this.#needs = [id];
  }
}

function recordPath(name: string, roots: HostRoots): string {
  return `${roots.state}/guests/${name}/record`;
}

/** The sums of what is about to be written tell an edited file from one that an older version made. */
function recordContent({ desired, rendered }: GuestOperationInput, generation: ShellText): ShellText {
  const files = uploadedDigests(desired);
  const missing = missingLayers(rendered.plan.requests);
  return sh`owner ${word(desired.fleet)} generation ${generation} digest ${word(guestDigest(desired))} files ${word(
    files.length === 0 ? 'none' : files.join(':'),
  )} missing ${word(missing.length === 0 ? 'none' : missing.join(':'))} launcher ${word(rendered.launcherSha256)} dropin ${word(rendered.dropInSha256)} definition ${word(storeGuest(desired))}`;
}

/** A new record with a lease; when anything fails half-way, nothing of it stays. */
function createRecord(input: GuestOperationInput, roots: HostRoots): ShellText {
  const { desired, users } = input;
  const directory = `${roots.state}/guests/${desired.name}`;
  const record = word(recordPath(desired.name, roots));
  return sh`expect_record ${record} ${word(desired.fleet)} none
${leaseDomid(desired.name, users, roots)}
undo() { [ -f ${record} ] || rm -rf -- ${word(directory)} "$leases/domid/$domid"; }
trap undo EXIT
mkdir -p ${word(directory)}/log
${writeLease(directory, users.scheme)}
record_write ${record} ${recordContent(input, sh`1`)}
changed`;
}

/** The next generation of the record; the guest's lease stays. */
function moveRecord(input: GuestOperationInput, facts: GuestFacts, roots: HostRoots): ShellText {
  const { desired } = input;
  const record = word(recordPath(desired.name, roots));
  return sh`expect_record ${record} ${word(desired.fleet)} ${facts.generation}
record_write ${record} ${recordContent(input, sh`$((rec_generation + 1))`)}
changed`;
}

function expectThere(name: string, fleet: string, generation: number | 'any', roots: HostRoots): ShellText {
  const wanted = generation === 'any' ? sh`any` : sh`${generation}`;
  return sh`expect_record ${word(recordPath(name, roots))} ${word(fleet)} ${wanted}`;
}

/** The same, but nothing is to be done where there is no record. */
function expectOwn(name: string, fleet: string, generation: number | 'any', roots: HostRoots): ShellText {
  return sh`[ -e ${word(recordPath(name, roots))} ] || exit 0
${expectThere(name, fleet, generation, roots)}`;
}

/** A file that was seen to be changed is looked at again under the lock, since another guest's step may have put it right. */
function receiveFile(upload: Upload, facts: GuestFacts | undefined, roots: HostRoots): ShellText {
  const files = word(`${roots.state}/files`);
  const name = word(upload.sha256);
  const distrust = sh`if [ -L ${files}/${name} ] || { [ -f ${files}/${name} ] && [ "$(sha256sum <${files}/${name})" != ${name}'  -' ]; }; then
  rm -f -- ${files}/${name}
fi
`;
  return sh`[ -d ${files} ] || mkdir -p ${files}
${facts?.changedFiles.includes(upload.sha256) === true ? distrust : sh``}[ -f ${files}/${name} ] || { receive 0 ${files} ${name}; changed; }`;
}

/**
 * A chroot that was filled is a sign of tampering: it is moved aside as it is, never emptied, and the next start makes a new
 * one. Where the guest goes on running, only owner and mode are put right.
 */
function healChroot(name: string, stopped: boolean, roots: HostRoots): ShellText {
  const room = word(`${roots.run}/root/${name}`);
  const aside = word(`${roots.run}/tampered`);
  const whenEmpty = stopped
    ? sh`rmdir ${room}; changed`
    : sh`if [ "$(stat -c '%a %u %g' ${room})" != '0 0 0' ]; then chown 0:0 ${room}; chmod 0000 ${room}; changed; fi`;
  return sh`[ -d ${room} ] || exit 0
full=
for entry in ${room}/* ${room}/.[!.]* ${room}/..?*; do
  if [ -e "$entry" ] || [ -L "$entry" ]; then full=1; break; fi
done
if [ -n "$full" ]; then
  mkdir -p ${aside}
  read -r up _ </proc/uptime
  mv -T -- ${room} ${aside}/${word(name)}-"$up"
  give tampered ${aside}/${word(name)}-"$up"
  changed
else
  ${whenEmpty}
fi`;
}

/** Everything of one stopped guest, but for uploaded files: others may share them. */
function removeGuest(name: string, roots: HostRoots): ShellText {
  const unit = guestUnit(name);
  const state = word(roots.state);
  const directory = word(`${roots.state}/guests/${name}`);
  return sh`${reapFunctions}
rm -f -- ${word(startsAtBoot(name))}
rm -rf -- ${word(`${unitDirectory}/${unit}.d`)}
(
${healChroot(name, true, roots)}
)
rm -rf --one-file-system -- ${word(`${roots.run}/guests/${name}`)}
domid= uid= shared=no
if [ -f ${directory}/lease ]; then
  while read -r key value; do
    case $key in domid) domid=$value ;; uid) uid=$value ;; shared) shared=$value ;; esac
  done <${directory}/lease
fi
if [ -n "$uid" ] && [ "$shared" = no ]; then
  stockade_reap "$uid" || fail strays-left "processes of uid $uid survive: $strays"
fi
case $domid in '' | *[!0-9]*) ;; *) rm -f -- ${state}/leases/domid/"$domid" ;; esac
rm -rf --one-file-system -- ${directory}
changed`;
}

/** The uploaded files that no record names any more, once for all guests that a batch removes. */
function collectFilesStep(guest: string, roots: HostRoots): CollectiveStep {
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
