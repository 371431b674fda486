import type { LayerEvidence } from '../model/evidence.ts';
import { sh, type ShellText } from '../model/shell.ts';
import { deviceModel, judge } from './judge.ts';
import type { IsolationExpectation, LaunchPlan } from './launch-plan.ts';
import type { GuestObservation } from './observation.ts';

/** Without elevateprivileges: QEMU drops its privileges itself, and dies of SIGSYS when that is denied (QEMU 7.2). */
export const sandboxOption = 'on,obsolete=deny,spawn=deny,resourcecontrol=deny';

export function seccompArguments(plan: Pick<LaunchPlan, 'requests'>): ShellText {
  return plan.requests.seccomp === 'on'
    ? sh`-sandbox on,obsolete=deny,spawn=deny,resourcecontrol=deny`
    : sh``;
}

export function proveSeccomp(
  observation: GuestObservation,
  _expectation: IsolationExpectation,
): LayerEvidence {
  const wrong: string[] = [];
  const unknown: string[] = [];
  const process = deviceModel(observation);
  if (process === undefined || process.threads.length === 0) unknown.push('threads could not be read');
  for (const thread of process?.threads ?? []) {
    if (thread.seccomp === undefined) unknown.push('Seccomp could not be read');
    else if (thread.seccomp !== 2) wrong.push(`a thread has Seccomp ${thread.seccomp}`);
    if (thread.seccompFilters === undefined) unknown.push('Seccomp_filters could not be read');
    else if (thread.seccompFilters < 1) wrong.push('a thread has no filter');
  }
  const raw = (process?.threads ?? []).map(
    (thread) =>
      `${process?.pid}/${thread.tid} Seccomp ${thread.seccomp ?? '?'} Seccomp_filters ${thread.seccompFilters ?? '?'}`,
  );
  return judge(
    'seccomp',
    `filter on every thread of QEMU (${sandboxOption})`,
    observation,
    { wrong, unknown },
    raw,
  );
}
