import type { LayerEvidence } from '../model/evidence.ts';
import { sh, type ShellText } from '../model/shell.ts';
import { confinedProcesses, judge, unreadThreads } from './judge.ts';
import type { IsolationExpectation, LaunchPlan } from './launch-plan.ts';
import { capabilitySets, type GuestObservation, type ProcessObservation } from './observation.ts';

/**
 * What QEMU needs to change its user and root by itself, the last to enter a directory of mode 0000. Nothing is left of them
 * after the change of user, and no_new_privs keeps the bounding set from giving them back.
 */
const bounding = ['setuid', 'setgid', 'sys_chroot', 'dac_read_search'] as const;
const boundingMask = 0x400c4n;

/** Part of the last command; no_new_privs before QEMU, which sets it once more with its seccomp filter. */
export function capabilitiesCommand(plan: Pick<LaunchPlan, 'requests'>): ShellText {
  const noNewPrivs = plan.requests['no-new-privs'] === 'on' ? sh`--no-new-privs ` : sh``;
  return sh`setpriv ${noNewPrivs}--bounding-set=-all,+setuid,+setgid,+sys_chroot,+dac_read_search --inh-caps=-all`;
}

export function proveCapabilities(
  observation: GuestObservation,
  _expectation: IsolationExpectation,
): LayerEvidence {
  const processes = confinedProcesses(observation);
  const wrong: string[] = [];
  const unknown = [...unreadThreads(processes)];
  for (const process of processes) threadFaults(process, wrong, unknown);
  const raw = processes.flatMap((process) =>
    process.threads.map(
      (thread) =>
        `${process.pid}/${thread.tid} ${capabilitySets.map((set) => `${set} ${thread.capabilities[set] ?? '?'}`).join(' ')}`,
    ),
  );
  return judge(
    'capabilities',
    `none; bounding set at most ${bounding.join(' ')}`,
    observation,
    { wrong, unknown },
    raw,
  );
}

function threadFaults(process: ProcessObservation, wrong: string[], unknown: string[]): void {
  const allowed = process.role === 'device-model' ? boundingMask : 0n;
  for (const thread of process.threads) {
    for (const set of capabilitySets) {
      const held = thread.capabilities[set];
      if (held === undefined) unknown.push(`${set} of the ${process.role} could not be read`);
      else if ((BigInt(`0x${held}`) & ~(set === 'CapBnd' ? allowed : 0n)) !== 0n) {
        wrong.push(`${process.role} has ${set} ${held}`);
      }
    }
  }
}

export function proveNoNewPrivs(
  observation: GuestObservation,
  _expectation: IsolationExpectation,
): LayerEvidence {
  const processes = confinedProcesses(observation);
  const wrong: string[] = [];
  const unknown = [...unreadThreads(processes)];
  for (const process of processes) {
    for (const thread of process.threads) {
      if (thread.noNewPrivs === undefined)
        unknown.push(`NoNewPrivs of the ${process.role} could not be read`);
      else if (thread.noNewPrivs !== 1) wrong.push(`${process.role} has NoNewPrivs ${thread.noNewPrivs}`);
    }
  }
  const raw = processes.flatMap((process) =>
    process.threads.map((thread) => `${process.pid}/${thread.tid} NoNewPrivs ${thread.noNewPrivs ?? '?'}`),
  );
  return judge('no-new-privs', 'set on every thread', observation, { wrong, unknown }, raw);
}
