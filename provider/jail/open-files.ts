import type { LayerEvidence } from '../model/evidence.ts';
import { sh, type ShellText } from '../model/shell.ts';
import { confinedProcesses, judge } from './judge.ts';
import type { IsolationExpectation } from './launch-plan.ts';
import type { GuestObservation, OpenFileObservation, ProcessObservation } from './observation.ts';

/** The descriptor on which QEMU finds the guest's serial console, to be passed on by `-add-fd`. */
export const serialDescriptor = 3;

/** First thing in the launcher: nothing that was open by chance goes any further. */
export const closeInherited: ShellText = sh`exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-`;

/** Redirections of the last command: stderr and serial console to the loggers, an empty stdin, nothing else. */
export const lastRedirections: ShellText = sh`</dev/null >&7 2>&7 ${serialDescriptor}>&8 7>&- 8>&-`;

/** QEMU's own means: event loops and counters without a name outside. A memfd could be one more, but nobody asked for one. */
const anonymous: ReadonlySet<string> = new Set([
  'anon_inode:[eventfd]',
  'anon_inode:[eventpoll]',
  'anon_inode:[signalfd]',
  'anon_inode:[timerfd]',
  'anon_inode:[io_uring]',
]);
/** Where an accelerator of the kernel's was asked for, and nowhere else. */
const kvm = /^anon_inode:kvm-(vm|vcpu:\d{1,4})$/;

export function proveOpenFiles(
  observation: GuestObservation,
  expectation: IsolationExpectation,
): LayerEvidence {
  const wrong: string[] = [];
  const unknown: string[] = [];
  const processes = confinedProcesses(observation);
  const known = knownTargets(expectation);
  for (const process of processes) {
    if (process.openFiles === undefined) {
      unknown.push(`open files of the ${process.role} could not be listed`);
      continue;
    }
    if (process.moreOpenFiles) unknown.push(`the ${process.role} has too many open files to list them`);
    for (const file of process.openFiles) {
      if (file.type === 'd') wrong.push(`${process.role} holds the directory ${JSON.stringify(file.target)}`);
      else if (!expected(process, file, known)) {
        wrong.push(`${process.role} holds ${JSON.stringify(file.target)}`);
      }
    }
  }
  const raw = processes.flatMap((process) =>
    (process.openFiles ?? []).map((file) => `${process.pid} ${file.descriptor} ${file.type} ${file.target}`),
  );
  return judge(
    'open-files',
    'the monitor, logs and event counters alone',
    observation,
    { wrong, unknown },
    raw,
  );
}

/** Type and target together: a name alone could be that of a memfd or a file made to look right. */
interface KnownTargets {
  readonly logger: ReadonlyMap<string, string>;
  readonly deviceModel: ReadonlyMap<string, string>;
  readonly usesKvm: boolean;
}

function knownTargets({ runDirectory, logDirectory, deviceNodes }: IsolationExpectation): KnownTargets {
  const files = (type: string, directory: string, names: readonly string[]) =>
    names.map((name) => [`${directory}/${name}`, type] as const);
  const none = ['/dev/null', 'c'] as const;
  const usesKvm = deviceNodes.includes('kvm');
  return {
    usesKvm,
    logger: new Map([
      none,
      ...files('f', logDirectory, ['serial.0', 'serial.1', 'stderr.0', 'stderr.1']),
      ...files('p', runDirectory, ['serial', 'stderr']),
    ]),
    deviceModel: new Map([
      none,
      ...files('p', runDirectory, ['qmp.in', 'qmp.out', 'serial', 'stderr']),
      ...(usesKvm ? [['/dev/kvm', 'c'] as const] : []),
    ]),
  };
}

function expected(process: ProcessObservation, file: OpenFileObservation, known: KnownTargets): boolean {
  if (process.role === 'logger') return known.logger.get(file.target) === file.type;
  return (
    known.deviceModel.get(file.target) === file.type ||
    anonymous.has(file.target) ||
    (known.usesKvm && kvm.test(file.target))
  );
}
