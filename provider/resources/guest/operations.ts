import type { Change } from '../../model/change.ts';
import type { CollectiveStep, Operation, Upload } from '../../model/operation.ts';
import { defaultRoots, type HostRoots } from '../../model/paths.ts';
import { describeAddress } from '../../model/address.ts';
import { type ShellText, sh, word } from '../../model/shell.ts';
import { putFile, removeFiles } from '../shared/files.ts';
import { type GuestDesired, guestAddress, guestDigest, storeGuest, uploadedDigests } from './desired.ts';
import { healChroot } from './chroot-healing.ts';
import { endDomain } from './end-domain.ts';
import type { GuestFacts } from './facts.ts';
import { type LeasableUsers, leaseStep } from './lease.ts';
import { collectFilesStep, reapStep, removeGuest } from './removal.ts';
import type { Rendered } from './rendering.ts';
import { installShareFiles, shareFilesDigest } from './share-files.ts';
import { missingLayers } from './requests.ts';
import { installUnit, startsAtBoot } from './unit-files.ts';
import { reloadStep, startStep, stopStep } from './supervise.ts';
import { startDomainStep } from './supervise-xl.ts';

/** What the operations of one guest are made from. */
export interface GuestOperationInput {
  readonly change: Change;
  readonly desired: GuestDesired;
  readonly facts: GuestFacts | undefined;
  readonly users: LeasableUsers;
  readonly rendered: Rendered;
  /** Content of the files to upload, by digest; those that the host has need not be here. */
  readonly uploads: ReadonlyMap<string, Upload>;
  /** Ids of operations in the same batch that must come first (host, users). */
  readonly after?: readonly string[];
  readonly roots?: HostRoots;
}

/** The names of a guest's steps, in the order in which they run. */
type StepName =
  | 'lease'
  | 'record'
  | 'kernel'
  | 'initrd'
  | 'launcher'
  | 'shares'
  | 'unit'
  | 'reload'
  | 'stop'
  | 'domain'
  | 'chroot'
  | 'start'
  | 'reap'
  | 'remove'
  | 'collect';

/** Operations that bring a guest from what is to what is asked for: create, update (live) or restart. None for `noop`. */
export function guestOperations(input: GuestOperationInput): readonly Operation[] {
  const { change, desired, facts } = input;
  if (change.action === 'noop') return [];
  const roots = input.roots ?? defaultRoots;
  const chain = new Chain(desired, input.after ?? []);
  const restarts = change.action === 'restart';
  const { toolstack } = input.rendered;
  if (facts === undefined) chain.collect('lease', leaseStep(desired.name, input.users, roots, toolstack));
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
  if (input.rendered.shareFiles.length > 0 || (facts !== undefined && facts.shareFiles.size > 0))
    chain.add('shares', installShareFiles(desired.name, input.rendered.shareFiles, roots));
  chain.add('unit', installUnit(desired, input.rendered));
  if (facts !== undefined) chain.collect('reload', reloadStep(desired.name));
  if (restarts) chain.collect('stop', stopStep(desired.name));
  if (facts !== undefined) chain.add('chroot', healChroot(desired.name, restarts, roots));
  if (restarts || change.action === 'create') chain.collect('start', startOf(input, roots));
  return chain.operations;
}

function startOf({ desired, rendered }: GuestOperationInput, roots: HostRoots): CollectiveStep {
  return rendered.toolstack === 'xl' ? startDomainStep(desired.name, roots) : startStep(desired.name, roots);
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
  chain.collect('reap', reapStep(guest.name, roots));
  chain.add('remove', removeGuest({ ...guest, fleet }, roots));
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
  chain.add('domain', endDomain({ ...guest, fleet }, roots));
  return chain.operations;
}

function guestStepId(guest: { readonly host: string; readonly name: string }, step: StepName): string {
  return `${describeAddress(guestAddress(guest))}: ${step}`;
}

/** Whether an operation is that step of a guest. */
export function isGuestStep({ id, address }: Operation, step: StepName): boolean {
  return address.kind === 'guest' && id === guestStepId(address, step);
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
  const digest = shareFilesDigest(rendered.shareFiles);
  const shares = digest === undefined ? sh`` : sh` shares ${word(digest)}`;
  const toolstack = rendered.toolstack === 'qemu' ? sh`` : sh` toolstack ${word(rendered.toolstack)}`;
  return sh`owner ${word(desired.fleet)} generation ${generation} digest ${word(guestDigest(desired))} files ${word(
    files.length === 0 ? 'none' : files.join(':'),
  )} missing ${word(missing.length === 0 ? 'none' : missing.join(':'))} launcher ${word(rendered.launcherSha256)} dropin ${word(rendered.dropInSha256)}${shares}${toolstack} definition ${word(storeGuest(desired))}`;
}

/** A new record, beside the lease that the step before has written; when it cannot be written, nothing of the guest stays. */
function createRecord(input: GuestOperationInput, roots: HostRoots): ShellText {
  const { desired } = input;
  const directory = `${roots.state}/guests/${desired.name}`;
  const record = word(recordPath(desired.name, roots));
  return sh`expect_record ${record} ${word(desired.fleet)} none
[ -f ${word(directory)}/lease ] || fail lease-missing 'the guest has no lease'
domid=
while read -r key value; do [ "$key" != domid ] || domid=$value; done <${word(directory)}/lease
undo() { [ -f ${record} ] || rm -rf -- ${word(directory)} ${word(roots.state)}/leases/domid/"$domid"; }
trap undo EXIT
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
