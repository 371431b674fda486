import { nullDevice } from './helper-mounts.ts';
import { type HelperLook, serving } from './helper-processes.ts';
import { deviceModel, type Findings, together } from './judge.ts';
import type { HelperShare } from './launch-share.ts';
import { isSameDevice } from './node-evidence.ts';
import type {
  GuestObservation,
  HelperObservation,
  OpenFileObservation,
  ProcessObservation,
} from './observation.ts';
import { anonymous, memory, socket } from './open-files.ts';
import { changed, isExport, mountIdsOf, whereOpened } from './share-open-files.ts';

/** QEMU's connection and the journal's; virtiofsd also has the one on which it listened, and one for its own requests. */
const socketsOf = { proxy: 2, virtiofs: 4 } as const;
/** Directories of its own /proc that virtiofsd keeps open: /proc/self/fd, and its threads. */
const maxProcDirectories = 3;
/** Between the two processes of the Rust virtiofsd: one learns of the other's end by them. */
const maxPipes = 2;
type Kind = HelperShare['driver']['kind'];

const pipe = /^pipe:\[\d{1,20}\]$/;

/** What a helper holds is the export's, by the mount it was opened in; beside that the means of its trade. */
export function helperFilesFindings(
  helper: HelperObservation,
  share: HelperShare,
  observation: GuestObservation,
): HelperLook {
  const { kind } = share.driver;
  const all = serving(helper).map((process) => processFindings(process, helper, kind, observation));
  return { requested: requestedFiles(kind), findings: together(...all), raw: rawFiles(helper) };
}

function processFindings(
  process: ProcessObservation,
  helper: HelperObservation,
  kind: Kind,
  observation: GuestObservation,
): Findings {
  const [wrong, unknown, passing]: [string[], string[], string[]] = [[], [], []];
  const files = process.openFiles;
  if (files === undefined) unknown.push('open files of the helper could not be listed');
  else if (files.every((file) => mountIdsOf(file).length === 0)) {
    unknown.push("mounts of the helper's open files could not be read");
  }
  const exports = exportMounts(process, helper);
  let [sockets, pipes, procDirectories] = [0, 0, 0];
  for (const file of files ?? []) {
    if (isMeans(file) || isMemory(file, kind, observation)) continue;
    const where = whereOpened(file, exports);
    if (where === 'there') continue;
    if (file.type === 's' && socket.test(file.target)) sockets += 1;
    else if (kind === 'virtiofs' && file.type === 'p' && pipe.test(file.target)) pipes += 1;
    else if (kind === 'virtiofs' && isOwnProc(file, helper)) procDirectories += 1;
    // virtiofsd holds whatever its guest knows of, FIFOs, links and sockets with a name too
    else if (where === 'not known' && file.type !== 'b' && file.type !== 'c') {
      passing.push(`files of the helper ${changed}`);
    } else wrong.push(`the helper holds ${JSON.stringify(file.target)}`);
  }
  if (sockets > socketsOf[kind]) wrong.push(`the helper holds ${sockets} sockets`);
  if (pipes > maxPipes) wrong.push(`the helper holds ${pipes} pipes`);
  if (procDirectories > maxProcDirectories)
    wrong.push(`the helper holds ${procDirectories} directories of a /proc`);
  return together({ wrong, unknown, passing }, unlistedFindings(process, helper, exports));
}

/**
 * A virtiofsd holds what its guest knows of, more than is listed. Of all its files it was counted how many are in which mount: outside
 * the export there may be no more than were listed, and so judged.
 */
function unlistedFindings(
  process: ProcessObservation,
  { hostMounts }: HelperObservation,
  exports: ReadonlySet<number>,
): Findings {
  const [wrong, unknown]: [string[], string[]] = [[], []];
  if (!process.moreOpenFiles) return { wrong, unknown };
  if (process.filesByMount === undefined) unknown.push('the helper has too many open files to count them');
  for (const [mount, count] of process.filesByMount ?? []) {
    const listed = (process.openFiles ?? []).filter((file) => mountIdsOf(file).includes(mount)).length;
    if (exports.has(mount) || count <= listed) continue;
    const more = count - listed;
    if (hostMounts.has(mount))
      wrong.push(`the helper holds ${more} more files of the host, of mount ${mount}`);
    else unknown.push(`the helper holds ${more} more files that were not looked at, of mount ${mount}`);
  }
  return { wrong, unknown };
}

function requestedFiles(kind: Kind): string {
  const more = kind === 'virtiofs' ? ", the guest's memory, its own /proc" : '';
  return `the export, at most ${socketsOf[kind]} sockets${more} and event counters alone`;
}

function rawFiles(helper: HelperObservation): readonly string[] {
  return serving(helper).flatMap(({ pid, openFiles, moreOpenFiles, filesByMount }) => [
    ...(openFiles ?? []).map(
      ({ descriptor, type, mountIds, target }) =>
        `${pid} ${descriptor} ${type} mount ${mountIds?.at(-1) ?? '?'} ${target}`,
    ),
    ...(moreOpenFiles ? [`${pid} and more, not listed`] : []),
    ...[...(filesByMount ?? [])].map(([mount, count]) => `${pid} in mount ${mount}: ${count}`),
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

/** Numbers of the mounts by which a process may have come by files of the export: that of its view, and its own of the same. */
function exportMounts({ pid }: ProcessObservation, helper: HelperObservation): ReadonlySet<number> {
  const parent = helper.processes.find(({ role }) => role === 'namespace-parent');
  const view = (parent === undefined ? undefined : helper.mounts.get(parent.pid)) ?? [];
  const exports = view.filter(({ mountPoint }) => isExport(mountPoint));
  const own = (helper.mounts.get(pid) ?? []).filter(({ device }) =>
    exports.some((each) => each.device === device),
  );
  return new Set([...exports, ...own].map(({ id }) => id));
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
