import { describeAddress } from '../../model/address.ts';
import type { Change } from '../../model/change.ts';
import type { Operation } from '../../model/operation.ts';
import {
  canaryUser,
  defaultRoots,
  guestSlice,
  type HostRoots,
  loggerUser,
  unitTemplatePath,
  unitPlaces,
} from '../../model/paths.ts';
import { clearProbes } from '../../jail/probes/step.ts';
import { lines, type ShellText, sh, word, words } from '../../model/shell.ts';
import { requireQemu } from '../../toolstacks/qemu/probe.ts';
import { requireXen } from '../../toolstacks/xl/probe.ts';
import { unitTemplate } from '../../toolstacks/qemu/supervisor.ts';
import { hasApparmor, installProfile, removeProfile } from './apparmor.ts';
import { accountsFunctions } from '../accounts/rewrite.ts';
import { putFile } from '../shared/files.ts';
import {
  type HostDesired,
  hostAddress,
  hostDigest,
  runDirectories,
  stateDirectories,
  storePath,
  unitTemplateSha256,
} from './desired.ts';
import { type HostFacts, dropInsAt, placesBeforeOurs, reloadMarker } from './facts.ts';
import { requiredPrograms } from './programs.ts';

export interface HostOperationInput {
  readonly change: Change;
  readonly desired: HostDesired;
  readonly facts: Pick<HostFacts, 'owners' | 'capabilities'>;
  readonly roots?: HostRoots;
}

/** In the order in which they run; each needs the one before. */
type StepName =
  | 'record'
  | 'logger user'
  | 'apparmor profile'
  | 'unit template'
  | 'reload'
  | 'release'
  | 'remove';

function hostStepId(host: { readonly host: string }, step: StepName): string {
  return `${describeAddress(hostAddress(host))}: ${step}`;
}

/** The step after which the host may be used by users and guests of the same batch. */
export function hostReadyStepId(host: { readonly host: string }): string {
  return hostStepId(host, 'reload');
}

/** Operations that prepare a host or heal it. None for `noop`. */
export function hostOperations(input: HostOperationInput): readonly Operation[] {
  const { change, desired, facts } = input;
  if (change.action === 'noop') return [];
  const roots = input.roots ?? defaultRoots;
  const { apparmorParser: parser } = facts.capabilities;
  const confines = parser !== undefined && hasApparmor(facts.capabilities);
  return chain(desired, [
    ['record', prepare(desired, facts, roots)],
    ['logger user', sh`${accountsFunctions}\naccounts_rewrite ${word(`keep ${loggerUser} auto`)}`],
    ...(confines ? [['apparmor profile', installProfile(parser, roots)] as const] : []),
    ['unit template', installTemplate(roots)],
    ['reload', reload(roots)],
  ]);
}

/** Operations that take one fleet's part away; with the last fleet everything goes, so that the host is as it was. */
export function hostRemoval(
  host: { readonly host: string },
  fleet: string,
  generation: number | 'any',
  roots: HostRoots = defaultRoots,
): readonly Operation[] {
  return chain(host, [
    ['release', release(fleet, generation, roots)],
    ['unit template', removeTemplate(fleet, roots)],
    ['reload', reload(roots)],
    ['apparmor profile', sh`${onlyLast(fleet, roots)}\n${removeProfile}`],
    ['logger user', removeLogger(fleet, roots)],
    ['remove', removeAll(fleet, roots)],
  ]);
}

function chain(
  host: { readonly host: string },
  steps: readonly (readonly [StepName, ShellText])[],
): readonly Operation[] {
  return steps.map(([name, body], index) => {
    const before = steps[index - 1];
    return {
      id: hostStepId(host, name),
      address: hostAddress(host),
      needs: before === undefined ? [] : [hostStepId(host, before[0])],
      step: { kind: 'own', body },
    };
  });
}

/** Checks the host again, then its directories and records. */
function prepare(desired: HostDesired, facts: Pick<HostFacts, 'owners'>, roots: HostRoots): ShellText {
  const { fleet, qemuBinary, toolstack } = desired;
  const record = word(`${roots.state}/owners/${fleet}`);
  const generation = facts.owners.get(fleet)?.generation;
  const template = unitTemplateSha256(roots);
  const binary = qemuBinary === undefined ? sh`` : sh` qemu_binary ${word(storePath(qemuBinary))}`;
  const chosen = toolstack === 'qemu' ? binary : sh`${binary} toolstack ${word(toolstack)}`;
  return sh`[ -d /run/systemd/system ] || refuse no-supervisor 'systemd does not run on this host'
missing=
for program in ${words(requiredPrograms)}; do
  command -v "$program" >/dev/null || missing="$missing $program"
done
[ -z "$missing" ] || refuse missing-program "programs are missing:$missing"
${toolstack === 'qemu' ? requireQemu(qemuBinary) : requireXen(qemuBinary)}
expect_record ${record} ${word(fleet)} ${generation ?? sh`none`}
next=$((\${rec_generation:-0} + 1))
for directory in ${words([...stateDirectories(roots), ...runDirectories(roots)])}; do
  if [ -L "$directory" ] || { [ -e "$directory" ] && [ ! -d "$directory" ]; }; then
    fail not-a-directory "$directory is there and is no directory; move it away"
  fi
  if [ ! -d "$directory" ]; then mkdir -m 0700 -- "$directory"; changed; fi
  if [ "$(stat -c '%a %u %g' -- "$directory")" != '700 0 0' ]; then
    chown 0:0 -- "$directory"
    chmod 0700 -- "$directory"
    changed
  fi
done
record_read ${word(`${roots.state}/host`)} || :
if [ "$rec_digest" != ${word(template)} ]; then
  record_write ${word(`${roots.state}/host`)} owner ${word(fleet)} generation $((\${rec_generation:-0} + 1)) digest ${word(template)}
  changed
fi
record_write ${record} owner ${word(fleet)} generation "$next" digest ${word(hostDigest(desired))}${chosen}
changed`;
}

/** The template as a whole, and nothing beside it; the marker says that systemd is to be told. */
function installTemplate(roots: HostRoots): ShellText {
  return sh`mark() { : >${word(reloadMarker(roots))}; changed; }
if [ -f ${word(unitTemplatePath)} ] && [ "$(stat -c '%a %u %g' ${word(unitTemplatePath)})" != '644 0 0' ]; then
  chown -h 0:0 ${word(unitTemplatePath)}
  rm -f -- ${word(unitTemplatePath)}
fi
if [ ! -f ${word(unitTemplatePath)} ] || [ "$(sha256sum <${word(unitTemplatePath)})" != ${word(`${unitTemplateSha256(roots)}  -`)} ]; then mark; fi
${putFile(unitTemplatePath, unitTemplate(roots), '0644')}
${removeForeign}`;
}

/** Unit files and drop-ins for all guests that are not ours. */
const removeForeign: ShellText = lines([
  sh`for place in ${words(placesBeforeOurs)}; do
  if [ -e "$place/stockade-guest@.service" ] || [ -L "$place/stockade-guest@.service" ]; then
    mark
    rm -f -- "$place/stockade-guest@.service"
  fi
done
for place in ${words(unitPlaces)}; do
  for directory in ${dropInsAt(sh`"$place"`)}; do
    case $directory in *:*) continue ;; esac
    if [ -e "$directory" ] || [ -L "$directory" ]; then mark; rm -rf -- "$directory"; fi
  done
done`,
]);

function reload(roots: HostRoots): ShellText {
  const marker = word(reloadMarker(roots));
  return sh`if [ -e ${marker} ]; then
  systemctl daemon-reload
  rm -f -- ${marker}
  changed
fi`;
}

/** Goes on only where this fleet is the last one on the host. */
function onlyLast(fleet: string, roots: HostRoots): ShellText {
  return sh`for owner in ${word(`${roots.state}/owners`)}/*; do
  case \${owner##*/} in '*' | *.new | ${word(fleet)}) ;; *) exit 0 ;; esac
done`;
}

/** Refuses while guests or users are there: this fleet's, and with the last fleet anybody's. */
function release(fleet: string, generation: number | 'any', roots: HostRoots): ShellText {
  const state = word(roots.state);
  return sh`record=${state}/owners/${word(fleet)}
[ -e "$record" ] || exit 0
expect_record "$record" ${word(fleet)} ${generation === 'any' ? sh`any` : generation}
last=1
for owner in ${state}/owners/*; do
  case \${owner##*/} in *.new | ${word(fleet)}) ;; *) last= ;; esac
done
for guest in ${state}/guests/*/record; do
  [ -e "$guest" ] || [ -L "$guest" ] || continue
  record_read "$guest" || refuse record-damaged "$guest is not a readable record"
  guest=\${guest%/record}
  if [ -n "$last" ] || [ "$rec_owner" = ${word(fleet)} ]; then
    refuse host-in-use "guest \${guest##*/} of fleet $rec_owner is on the host"
  fi
done
for users in ${state}/users/*.owners/*; do
  [ -f "$users" ] || continue
  scheme=\${users%.owners/*}
  if [ -n "$last" ] || [ "\${users##*/}" = ${word(fleet)} ]; then
    refuse host-in-use "users \${scheme##*/} of fleet \${users##*/} are on the host"
  fi
done`;
}

function removeTemplate(fleet: string, roots: HostRoots): ShellText {
  return sh`${onlyLast(fleet, roots)}
mark() { : >${word(reloadMarker(roots))}; changed; }
${clearProbes(roots)}
systemctl stop -- ${word(guestSlice)} || :
if [ -e ${word(unitTemplatePath)} ] || [ -L ${word(unitTemplatePath)} ]; then
  mark
  rm -f -- ${word(unitTemplatePath)}
fi
${removeForeign}`;
}

function removeLogger(fleet: string, roots: HostRoots): ShellText {
  return sh`${onlyLast(fleet, roots)}
${accountsFunctions}
accounts_rewrite ${word(`drop ${loggerUser} auto\ndrop ${canaryUser} auto`)}`;
}

/** The record goes last: a run killed before it is finished by the next. The lock is the executor's. */
function removeAll(fleet: string, roots: HostRoots): ShellText {
  const state = word(roots.state);
  return sh`record=${state}/owners/${word(fleet)}
[ -e "$record" ] || exit 0
changed
(
${onlyLast(fleet, roots)}
for entry in ${word(roots.run)}/*; do
  [ "$entry" = ${word(`${roots.run}/lock`)} ] || rm -rf --one-file-system -- "$entry"
done
for entry in ${state}/*; do
  [ "$entry" = ${state}/owners ] || rm -rf --one-file-system -- "$entry"
done
)
rm -f -- "$record"
[ -n "$(ls -A ${state}/owners)" ] || rm -rf --one-file-system -- ${state}`;
}
