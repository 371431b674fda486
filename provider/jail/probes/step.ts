import { canaryUser, defaultRoots, guestUnit, type HostRoots } from '../../model/paths.ts';
import { joined, lines, sh, type ShellText, word, words } from '../../model/shell.ts';
import { guestPlaces } from '../places.ts';
import { injectFunctions } from './inject.ts';
import { askHost, clearFunction, startFunctions } from './step-functions.ts';
import type { ProbePlan, ProbeRun } from './runs.ts';

/** A guest that exists for the length of a probe run. */
export interface CanaryGuest {
  /** No user can name a guest so (`canaryName`). */
  readonly name: string;
  readonly launcher: string;
  readonly dropIn: string;
}

export interface ProbeStepInput {
  readonly plan: ProbePlan;
  /** One for the shared run, then as many as may run at once for the others. */
  readonly canaries: readonly CanaryGuest[];
  readonly qemuBinary: string;
  /** The machine that the control shows; its processor stands still. */
  readonly controlArguments: readonly string[];
  readonly roots?: HostRoots;
}

/** An underscore, which names of guests cannot have (model/names.ts). */
export function canaryName(index: number): string {
  return `stockade-canary_${index}`;
}

/** Canaries that are alone with what they try run so many at once, beside the one that makes all other probes. */
const canariesAtOnce = 4;
export const canaryCount = 1 + canariesAtOnce;

/** No lease has this domid: Xen's last one is 32751. */
const canaryDomid = 32_767;
/** Where the canaries' kernel, program and the control's own directory are. */
const probeDirectory = (roots: HostRoots): string => `${roots.run}/probes`;
export const canaryKernel = (roots: HostRoots): string => `${probeDirectory(roots)}/kernel`;
const kernelBytes = 8192;
/** Drop-ins that are gone after a reboot, as all else of a canary that matters. */
const dropInDirectory = (name: string) => `/run/systemd/system/${guestUnit(name)}.d`;

/**
 * The body of an operation that makes the probes. It gives, per run, `NAME.end` (how the canary ended: `done`, `signal N`,
 * `exit N`, `stuck`, `not-started`, `busy`, or `sealed TEXT` where its memory could not be written) and `NAME.answers` (base64,
 * where it came to its end); and `machine`, what `uname -m` says. It leaves nothing behind, and clears what a killed run has left.
 */
export function probeStep(input: ProbeStepInput): ShellText {
  const roots = input.roots ?? defaultRoots;
  const { plan, canaries } = input;
  const [first, ...others] = canaries;
  if (first === undefined || others.length === 0) throw new Error('probes need at least two canaries');
  return lines([
    sh`machine=$(uname -m)
give machine "$machine"
[ "$machine" = x86_64 ] || exit 0
entry=$(getent passwd ${word(canaryUser)}) || fail canary-user ${word(`there is no user ${canaryUser}`)}
IFS=: read -r _ _ uid gid _ <<END
$entry
END
work=${word(probeDirectory(roots))}
answer_bytes=${plan.program.answerBytes}`,
    clearFunction(
      canaries.map(({ name }) => name),
      roots,
    ),
    sh`clear_probes
trap clear_probes EXIT
mkdir -p -m 0700 ${word(roots.run)} "$work" "$work/control"
head -c ${kernelBytes} /dev/zero >"$work/kernel"
printf '%s' ${word(Buffer.from(plan.program.code).toString('base64'))} | base64 -d >"$work/code"
printf '%s' ${word(Buffer.from(plan.program.data).toString('base64'))} | base64 -d >"$work/data"`,
    ...canaries.map((canary, index) => placeCanary(canary, index === 0, roots)),
    askHost,
    injectFunctions,
    startFunctions(input.qemuBinary, input.controlArguments),
    ...calls(plan.runs, first, others),
  ]);
}

/** Step text that clears what a run that was killed has left on a host; says `changed` where there was something. */
export function clearProbes(roots: HostRoots = defaultRoots): ShellText {
  const names = Array.from({ length: canaryCount }, (_, index) => canaryName(index));
  return sh`work=${word(probeDirectory(roots))}
${clearFunction(names, roots)}
if [ -e "$work" ]; then clear_probes; changed; fi`;
}

/** The first one's uid is its own, as a guest's is; those that run at once share it, and so have no limit of processes. */
function placeCanary(canary: CanaryGuest, alone: boolean, roots: HostRoots): ShellText {
  const { stateDirectory, launcher, lease } = guestPlaces(canary.name, roots);
  const dropIns = dropInDirectory(canary.name);
  return sh`mkdir -p -m 0700 ${word(stateDirectory)}
mkdir -p -m 0755 ${word(dropIns)}
printf '%s' ${word(canary.launcher)} >${word(launcher)}
chmod 0700 ${word(launcher)}
printf 'domid ${canaryDomid}\nuid %s\ngid %s\nshared ${alone ? sh`no` : sh`yes`}\n' "$uid" "$gid" >${word(lease)}
(umask 022; printf '%s' ${word(canary.dropIn)} >${word(`${dropIns}/10-stockade.conf`)})`;
}

function calls(
  runs: readonly ProbeRun[],
  first: CanaryGuest,
  others: readonly CanaryGuest[],
): readonly ShellText[] {
  const controls = runs.filter(({ jailed }) => !jailed);
  const shared = runs.filter(({ name }) => name === 'shared');
  const own = runs.filter(({ jailed, name }) => jailed && name !== 'shared');
  const waves: ShellText[] = [];
  for (let at = 0; at < own.length; at += others.length) {
    const wave = own.slice(at, at + others.length);
    waves.push(sh`run_canaries ${joined(wave.map((run, index) => runWord(run, others[index] ?? first)))}`);
  }
  return [
    ...controls.map((run) => sh`start_control ${word(run.name)}`),
    ...controls.map((run) => sh`run_control ${word(run.name)} ${run.firstRow} ${run.endOfRows}`),
    ...shared.map((run) => sh`run_canaries ${runWord(run, first)}`),
    ...waves,
  ];
}

/** UNIT:NAME:FIRST:END, as `run_canaries` takes it. */
function runWord(run: ProbeRun, canary: CanaryGuest): ShellText {
  return words([`${guestUnit(canary.name)}:${run.name}:${run.firstRow}:${run.endOfRows}`]);
}
