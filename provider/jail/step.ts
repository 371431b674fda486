import { joined, lines, sh, type ShellText, word } from '../model/shell.ts';

/**
 * One step of the launcher: a function of its own, one comment that says why, one named error. The body calls `fail TEXT`
 * when the step cannot be done; that prints `stockade-launch: NAME: TEXT` and ends with the step's exit code.
 */
export interface LauncherStep {
  readonly name: StepName;
  readonly comment: ShellText;
  readonly body: ShellText;
}

/** Exit code of the launcher by the step that failed. Stable: they show as the unit's `ExecMainStatus`. */
export const stepExitCodes = {
  lease: 41,
  user: 42,
  chroot: 43,
  files: 44,
  namespaces: 45,
  'device-nodes': 46,
  loggers: 47,
  launch: 48,
  'trusted-files': 49,
  disks: 50,
  reap: 51,
  pipes: 52,
  view: 53,
  'enter-view': 54,
  label: 55,
  domain: 56,
} as const;
export type StepName = keyof typeof stepExitCodes;

/** The name of the step that an exit code of the launcher means. */
export function stepOfExitCode(code: number): StepName | undefined {
  return (Object.keys(stepExitCodes) as StepName[]).find((name) => stepExitCodes[name] === code);
}

const functionName = (name: StepName): ShellText => word(`step_${name.replaceAll('-', '_')}`);

/** The step as a shell function, its comment above it. */
function renderStep(step: LauncherStep): ShellText {
  return sh`# ${step.comment}
${functionName(step.name)}() {
  step=${word(step.name)} code=${stepExitCodes[step.name]}
${step.body}
}`;
}

/** All of them, with an empty line between. */
export function renderSteps(steps: readonly LauncherStep[]): ShellText {
  return joined(steps.map(renderStep), sh`\n\n`);
}

/** Calls of the steps, in order. */
export function callSteps(steps: readonly LauncherStep[]): ShellText {
  return lines(steps.map((step) => sh`    ${functionName(step.name)}`));
}
