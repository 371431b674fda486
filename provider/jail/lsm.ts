import type { LayerEvidence } from '../model/evidence.ts';
import { sh, type ShellText, word } from '../model/shell.ts';
import { type Findings, judge } from './judge.ts';
import type { IsolationExpectation, LaunchPlan } from './launch-plan.ts';
import type { LaunchShareDriver } from './launch-share.ts';
import {
  guestProfile,
  helperProfileOf,
  loadedProfilesPath,
  loggerProfile,
  profileNames,
} from './lsm-profile.ts';
import type { GuestObservation, ProcessObservation } from './observation.ts';
import type { LauncherStep } from './step.ts';

/**
 * Opens the file by which the kernel is told the profile of a task's next program, while the host's /proc is there: on stdin, since a
 * shell has ten descriptors and a guest's disks may take the others. Only the task that opened it can write to it (Linux 5.13,
 * `proc_pid_attr_write`), so it is of no use to whom it is handed on. `undefined` where the layer is not asked for.
 */
export function labelStep({ requests }: Pick<LaunchPlan, 'requests'>): LauncherStep | undefined {
  if (requests.lsm !== 'on') return undefined;
  return {
    name: 'label',
    comment: sh`By this the kernel is told what confines the next program; held open on stdin, for soon there is no /proc`,
    body: openLabel(0),
  };
}

function openLabel(descriptor: number): ShellText {
  return sh`  label=/proc/self/attr/apparmor/exec
  [ -e "$label" ] || label=/proc/self/attr/exec
  command exec ${descriptor}>"$label" || fail "cannot open $label"`;
}

/** Open from before a helper's view is entered, which has no /proc, until its next program. */
const helperLabelDescriptor = 6;

/** For the script of a guest's helpers; nothing where the layer is not asked for. */
export interface HelperLabel {
  readonly functions: ShellText;
  /** A line while the host's /proc is there, by the shell that is to turn into the helper. */
  readonly open: ShellText;
  /** A line right before that; nothing but a builtin may come after it. */
  readonly confine: (driver: LaunchShareDriver) => ShellText;
  /** A redirection. */
  readonly close: ShellText;
}

export function helperLabel(requests: LaunchPlan['requests']): HelperLabel {
  if (requests.lsm !== 'on') return { functions: sh``, open: sh``, confine: () => sh``, close: sh`` };
  return {
    functions: sh`# By this the kernel is told what confines the next program; soon there is no /proc
open_label() {
  step=label
${openLabel(helperLabelDescriptor)}
}
# confine PROFILE
confine() {
  printf 'exec %s' "$1" >&${helperLabelDescriptor} || fail "AppArmor has no profile $1: apply the host again"
}
`,
    open: sh`    open_label\n`,
    confine: (driver) => sh`      confine ${word(helperProfileOf(driver))}\n`,
    close: sh` ${helperLabelDescriptor}>&-`,
  };
}

/** From here on whatever program this shell or a child of it turns into is QEMU's kind; nothing but a builtin may come before that. */
export function confineGuest(plan: Pick<LaunchPlan, 'requests'>): ShellText {
  return confineNext(plan, guestProfile);
}

export function confineLoggers(plan: Pick<LaunchPlan, 'requests'>): ShellText {
  return confineNext(plan, loggerProfile);
}

function confineNext({ requests }: Pick<LaunchPlan, 'requests'>, profile: string): ShellText {
  if (requests.lsm !== 'on') return sh``;
  const missing = word(`AppArmor has no profile ${profile}: apply the host again`);
  return sh`  printf 'exec %s' ${word(profile)} >&0 || fail ${missing}\n`;
}

/** Part of the evidence section, by builtins alone: `label` is what is to be read of each thread, empty where the kernel has no labels. */
export const findLabels: ShellText = sh`modules=''
[ ! -r /sys/kernel/security/lsm ] || read -r modules </sys/kernel/security/lsm || :
label=attr/current
case ",$modules," in
  *,apparmor,*)
    files="$files ${word(loadedProfilesPath)}"
    # where it shares the host with another module, the common file is the other's
    [ ! -e /proc/self/attr/apparmor/current ] || label=attr/apparmor/current
    ;;
  *,selinux,*) ;;
  *) label='' ;;
esac`;

/**
 * Evidence of the label on every thread of every process, the namespaces' parent included, and of what the kernel holds under
 * that name: a profile in complain mode stops nothing.
 */
export function proveLsm(observation: GuestObservation, expectation: IsolationExpectation): LayerEvidence {
  const own = [guestProfile, loggerProfile];
  const { findings, raw } = labelFindings(observation, own, profileOf, expectation);
  return judge(
    'lsm',
    `AppArmor profiles ${own.join(' and ')}, enforced, on every thread`,
    observation,
    findings,
    raw,
  );
}

/** What is wrong with the labels of these processes, and with what the kernel holds under the names of their profiles. */
export function labelFindings(
  { processes, profiles }: Pick<GuestObservation, 'processes' | 'profiles'>,
  own: readonly string[],
  expected: (process: ProcessObservation) => string,
  { profileFault }: Pick<IsolationExpectation, 'profileFault'>,
): { readonly findings: Findings; readonly raw: readonly string[] } {
  const wrong: string[] = [];
  const unknown: string[] = [];
  for (const process of processes) {
    if (process.labels.length === 0) unknown.push(`the label of the ${process.role} could not be read`);
    for (const label of process.labels) {
      if (label !== enforced(expected(process)))
        wrong.push(`the ${process.role} is ${JSON.stringify(label)}`);
    }
  }
  if (profiles === undefined) unknown.push("the kernel's list of profiles could not be read");
  else {
    for (const name of own) {
      const mode = profiles.get(name);
      if (mode === undefined) wrong.push(`the kernel has no profile ${name}`);
      else if (mode !== 'enforce') wrong.push(`the profile ${name} is in ${JSON.stringify(mode)} mode`);
    }
  }
  // what is not loaded has been said
  if (wrong.length === 0 && profileFault !== undefined) wrong.push(profileFault);
  const loaded = [...(profiles ?? [])].filter(([name]) => own.includes(name));
  return {
    findings: { wrong, unknown },
    raw: labelLines({ processes, profiles: new Map(loaded) }),
  };
}

const enforced = (profile: string): string => `${profile} (enforce)`;

function profileOf({ role }: Pick<ProcessObservation, 'role'>): string {
  return role === 'logger' ? loggerProfile : guestProfile;
}

/** Whatever security module the host has: its own words on each process. */
export function labelLines({
  processes,
  profiles,
}: Pick<GuestObservation, 'processes' | 'profiles'>): readonly string[] {
  return [
    ...processes.flatMap(({ pid, role, labels }) =>
      [...new Set(labels)].map((label) => `${pid} ${role} ${label}`),
    ),
    ...[...(profiles ?? [])].map(([name, mode]) => `loaded: ${name} (${mode})`),
  ];
}

/** Of the kernel's list (`NAME (MODE)` a line) what is ours. */
export function parseProfiles(text: string | undefined): GuestObservation['profiles'] {
  if (text === undefined) return undefined;
  const lines = [...text.matchAll(/^(\S+) \(([a-z]+)\)$/gm)];
  const ours: readonly string[] = profileNames;
  return new Map(lines.flatMap(([, name = '', mode = '']) => (ours.includes(name) ? [[name, mode]] : [])));
}
