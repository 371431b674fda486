import { nullDevice } from './helper-mounts.ts';
import { type HelperLook, server, serving } from './helper-processes.ts';
import { deviceModel } from './judge.ts';
import type { HelperShare } from './launch-share.ts';
import { isSameDevice } from './node-evidence.ts';
import type {
  GuestObservation,
  HelperObservation,
  OpenFileObservation,
  ProcessObservation,
} from './observation.ts';
import { anonymous, memory, socket } from './open-files.ts';
import { isExport } from './share-open-files.ts';

/** QEMU's connection and the journal's; virtiofsd also has the one on which it listened, and one for its own requests. */
const socketsOf = { proxy: 2, virtiofs: 4 } as const;
/** Directories of its own /proc that virtiofsd keeps open: /proc/self/fd, and its threads. */
const maxProcDirectories = 3;
/** Between the two processes of the Rust virtiofsd: one learns of the other's end by them. */
const maxPipes = 2;
const pipe = /^pipe:\[\d{1,20}\]$/;

/** What a helper holds is the export's, by the mount it was opened in; beside that the means of its trade. */
export function helperFilesFindings(
  helper: HelperObservation,
  share: HelperShare,
  observation: GuestObservation,
): HelperLook {
  const [wrong, unknown]: [string[], string[]] = [[], []];
  const kind = share.driver.kind;
  for (const process of serving(helper)) {
    const files = process.openFiles;
    if (files === undefined) unknown.push('open files of the helper could not be listed');
    else if (files.every(({ mountId }) => mountId === undefined)) {
      unknown.push("mounts of the helper's open files could not be read");
    }
    // one that serves many files has more than are listed; what it was started with has the lowest numbers
    if (process.moreOpenFiles && (kind !== 'virtiofs' || process !== server(helper))) {
      unknown.push('the helper has too many open files to list them');
    }
    let [sockets, pipes, procDirectories] = [0, 0, 0];
    for (const file of files ?? []) {
      if (isMeans(file) || isMemory(file, kind, observation)) continue;
      if (isInExport(file, process, helper)) continue;
      if (file.type === 's' && socket.test(file.target)) sockets += 1;
      else if (kind === 'virtiofs' && file.type === 'p' && pipe.test(file.target)) pipes += 1;
      else if (kind === 'virtiofs' && isOwnProc(file, helper)) procDirectories += 1;
      else wrong.push(`the helper holds ${JSON.stringify(file.target)}`);
    }
    if (sockets > socketsOf[kind]) wrong.push(`the helper holds ${sockets} sockets`);
    if (pipes > maxPipes) wrong.push(`the helper holds ${pipes} pipes`);
    if (procDirectories > maxProcDirectories)
      wrong.push(`the helper holds ${procDirectories} directories of a /proc`);
  }
  return { requested: requestedFiles(kind), findings: { wrong, unknown }, raw: rawFiles(helper) };
}

function requestedFiles(kind: HelperShare['driver']['kind']): string {
  const more = kind === 'virtiofs' ? ", the guest's memory, its own /proc" : '';
  return `the export, at most ${socketsOf[kind]} sockets${more} and event counters alone`;
}

function rawFiles(helper: HelperObservation): readonly string[] {
  return serving(helper).flatMap(({ pid, openFiles, moreOpenFiles }) => [
    ...(openFiles ?? []).map(
      ({ descriptor, type, mountId, target }) =>
        `${pid} ${descriptor} ${type} mount ${mountId ?? '?'} ${target}`,
    ),
    ...(moreOpenFiles ? [`${pid} and more, not listed`] : []),
  ]);
}

function isMeans({ target, type, file }: OpenFileObservation): boolean {
  return anonymous.has(target) || (type === 'c' && isSameDevice(file, nullDevice));
}

/** By device and inode it is what QEMU holds as its guest's memory. */
function isMemory(
  { target, file }: OpenFileObservation,
  kind: string,
  observation: GuestObservation,
): boolean {
  if (kind !== 'virtiofs' || target !== memory || file === undefined) return false;
  const own = deviceModel(observation)?.openFiles?.filter((each) => each.target === memory) ?? [];
  return own.some((each) => each.file?.inode === file.inode && each.file.device === file.device);
}

/** Opened meanwhile (without a mount that was read), it has shown nothing yet: the next look will tell. */
function isInExport(
  { mountId, type, target }: OpenFileObservation,
  { pid }: ProcessObservation,
  helper: HelperObservation,
): boolean {
  // virtiofsd holds whatever its guest knows of, FIFOs, links and sockets with a name too
  if (mountId === undefined)
    return type !== 'b' && type !== 'c' && !socket.test(target) && !pipe.test(target);
  const parent = helper.processes.find(({ role }) => role === 'namespace-parent');
  const view = (parent === undefined ? undefined : helper.mounts.get(parent.pid)) ?? [];
  const own = helper.mounts.get(pid) ?? [];
  const exports = view.filter(({ mountPoint }) => isExport(mountPoint));
  return (
    exports.some(({ id }) => id === mountId) ||
    own.some(({ id, device }) => id === mountId && exports.some((each) => each.device === device))
  );
}

/** virtiofsd's own /proc, whether it has let go of that mount or not: a file system that the host has mounted nowhere. */
function isOwnProc(
  { type, file, target }: OpenFileObservation,
  { hostDevices, mounts }: HelperObservation,
): boolean {
  if (type !== 'd' && type !== 'f') return false;
  if (file === undefined || hostDevices === undefined) return false;
  if (!/^(\/proc)?\/?(\d+|self)?(\/(task|fd|mountinfo))?$/.test(target)) return false;
  const device = `${major(file.device)}:${minor(file.device)}`;
  const exported = [...mounts.values()]
    .flat()
    .some((mount) => mount.device === device && mount.fileSystem !== 'proc');
  return major(file.device) === 0 && !hostDevices.has(device) && !exported;
}

/** A device number as `stat` prints it (Linux, MAJOR and MINOR of a 32-bit dev_t). */
function major(device: number): number {
  return (device >>> 8) & 0xfff;
}
function minor(device: number): number {
  return (device & 0xff) | ((device >>> 12) & 0xfff00);
}
