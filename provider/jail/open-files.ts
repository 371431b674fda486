import type { LayerEvidence } from '../model/evidence.ts';
import { sh, type ShellText } from '../model/shell.ts';
import { confinedProcesses, judge } from './judge.ts';
import { type IsolationExpectation, usesVfio } from './launch-plan.ts';
import { isSameDevice } from './node-evidence.ts';
import { sharedFiles, sharesText } from './share-open-files.ts';
import type { GuestObservation, OpenFileObservation, ProcessObservation } from './observation.ts';

/** The descriptor on which QEMU finds the guest's serial console, to be passed on by `-add-fd`. */
export const serialDescriptor = 3;

/** First thing in the launcher: nothing that was open by chance goes any further. */
export const closeInherited: ShellText = sh`exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-`;

/** Redirections of the last command: stderr goes where stdout goes since `pipesStep`, the serial console is open. */
export const lastRedirections: ShellText = sh`2>&1`;

/** QEMU's own means: event loops and counters without a name outside. */
export const anonymous: ReadonlySet<string> = new Set([
  'anon_inode:[eventfd]',
  'anon_inode:[eventpoll]',
  'anon_inode:[signalfd]',
  'anon_inode:[timerfd]',
  'anon_inode:[io_uring]',
]);
/** Where an accelerator of the kernel's was asked for, and nowhere else. */
const kvm = /^anon_inode:kvm-(vm|vcpu:\d{1,4})$/;
/** What stands for a device that is passed through, and for it in the kernel's accelerator (Linux, drivers/vfio, virt/kvm/vfio.c). */
const vfio: ReadonlySet<string> = new Set(['anon_inode:[vfio-device]', 'anon_inode:kvm-vfio']);
/** Where QEMU plays the network: in a net namespace of its own its sockets lead nowhere. */
export const socket = /^socket:\[\d{1,20}\]$/;
/** The guest's memory where it is shared. Any process may call a memfd so: there may be one, and RLIMIT_FSIZE bounds it. */
export const memory = '/memfd:memory-backend-memfd (deleted)';

export function proveOpenFiles(
  observation: GuestObservation,
  expectation: IsolationExpectation,
): LayerEvidence {
  const wrong: string[] = [];
  const unknown: string[] = [];
  const passing: string[] = [];
  const processes = confinedProcesses(observation);
  const known = knownTargets(expectation);
  const images = identities(observation.images);
  if (expectation.images > 0 && observation.images?.length !== expectation.images) {
    unknown.push("the launcher's record of the disks could not be read");
  }
  for (const process of processes) {
    if (process.openFiles === undefined) {
      unknown.push(`open files of the ${process.role} could not be listed`);
      continue;
    }
    if (process.moreOpenFiles) unknown.push(`the ${process.role} has too many open files to list them`);
    const shares = sharedFiles(process, observation, expectation);
    wrong.push(...shares.wrong);
    unknown.push(...shares.unknown);
    passing.push(...shares.passing);
    for (const file of process.openFiles) {
      if (shares.allowed.has(file)) continue;
      if (file.type === 'd') wrong.push(`${process.role} holds the directory ${JSON.stringify(file.target)}`);
      else if (expected(process, file, known) || isImage(process, file, images, expectation)) continue;
      else if (isGiven(process, file, expectation) && isNode(file, observation)) continue;
      // opened after the list of descriptors was made: the next look will tell
      else if (
        (mayBeImage(process, file, expectation) || isGiven(process, file, expectation)) &&
        file.file === undefined
      ) {
        unknown.push(`${JSON.stringify(file.target)} was opened meanwhile`);
      } else {
        wrong.push(`${process.role} holds ${JSON.stringify(file.target)}`);
      }
    }
    if (memories(process.openFiles).size > 1) wrong.push(`${process.role} holds more than one shared memory`);
  }
  const raw = processes.flatMap((process) =>
    (process.openFiles ?? []).map(
      (file) => `${process.pid} ${file.descriptor} ${file.type} ${identity(file)} ${file.target}`,
    ),
  );
  return judge('open-files', requested(expectation), observation, { wrong, unknown, passing }, raw);
}

function requested({ images, sharedMemoryMib, network, devices, shares }: IsolationExpectation): string {
  const more = [
    ...[...devices].sort().map((name) => `/dev/${name}`),
    ...(images > 0 ? ['the images of its disks'] : []),
    ...(sharedMemoryMib > 0 ? ['its memory'] : []),
    ...(network === 'user' ? ['sockets'] : []),
    ...sharesText(shares),
  ];
  return `${['the monitor', ...more, 'logs'].join(', ')} and event counters alone`;
}

function identity({ file }: OpenFileObservation): string {
  return file === undefined ? '-' : `${file.device}:${file.inode}`;
}

function identities(images: GuestObservation['images']): ReadonlySet<string> {
  return new Set((images ?? []).map(({ device, inode }) => `${device}:${inode}`));
}

/** By device and inode: the name that a process in another view of the file system shows may be any. */
function isImage(
  process: ProcessObservation,
  file: OpenFileObservation,
  images: ReadonlySet<string>,
  expectation: IsolationExpectation,
): boolean {
  return mayBeImage(process, file, expectation) && images.has(identity(file));
}

function mayBeImage(
  process: ProcessObservation,
  file: OpenFileObservation,
  expectation: IsolationExpectation,
): boolean {
  return process.role !== 'logger' && expectation.images > 0 && (file.type === 'f' || file.type === 'b');
}

/** By its name, which may be any, it could be a device that the definition gives. */
function isGiven(
  process: ProcessObservation,
  { target }: OpenFileObservation,
  { devices }: IsolationExpectation,
): boolean {
  return process.role !== 'logger' && devices.some((name) => target === `/dev/${name}`);
}

/** By kind and number it is the host's own device of that name. */
function isNode({ target, file }: OpenFileObservation, { hostNodes }: GuestObservation): boolean {
  return isSameDevice(file, hostNodes.get(target.slice('/dev/'.length)));
}

/** Each by its inode: QEMU may hold the same one by several descriptors. */
function memories(files: readonly OpenFileObservation[]): ReadonlySet<string> {
  return new Set(files.filter(({ target }) => target === memory).map(identity));
}

/** Type and target together: a name alone could be that of a memfd or a file made to look right. */
interface KnownTargets {
  readonly logger: ReadonlyMap<string, string>;
  readonly deviceModel: ReadonlyMap<string, string>;
  readonly usesKvm: boolean;
  readonly usesSockets: boolean;
  readonly usesVfio: boolean;
}

function knownTargets(expectation: IsolationExpectation): KnownTargets {
  const { runDirectory, logDirectory, deviceNodes, devices, sharedMemoryMib, network } = expectation;
  const files = (type: string, directory: string, names: readonly string[]) =>
    names.map((name) => [`${directory}/${name}`, type] as const);
  const none = ['/dev/null', 'c'] as const;
  const usesKvm = deviceNodes.includes('kvm');
  return {
    usesKvm,
    usesSockets: network === 'user',
    usesVfio: usesVfio(devices),
    logger: new Map([
      none,
      ...files('f', logDirectory, ['serial.0', 'serial.1', 'stderr.0', 'stderr.1']),
      ...files('p', runDirectory, ['serial', 'stderr']),
    ]),
    deviceModel: new Map([
      none,
      ...files('p', runDirectory, ['qmp.in', 'qmp.out', 'serial', 'stderr']),
      ...(usesKvm ? [['/dev/kvm', 'c'] as const] : []),
      ...(sharedMemoryMib > 0 ? [[memory, 'f'] as const] : []),
    ]),
  };
}

function expected(process: ProcessObservation, file: OpenFileObservation, known: KnownTargets): boolean {
  if (process.role === 'logger') return known.logger.get(file.target) === file.type;
  return (
    known.deviceModel.get(file.target) === file.type ||
    anonymous.has(file.target) ||
    (known.usesKvm && kvm.test(file.target)) ||
    (known.usesVfio && vfio.has(file.target)) ||
    (known.usesSockets && file.type === 's' && socket.test(file.target))
  );
}
