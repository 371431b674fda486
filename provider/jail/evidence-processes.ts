import type { ProcessRole } from '../model/evidence.ts';
import { bootIdOf, type Indexed, namespacesOf } from './evidence-index.ts';
import { launchPrograms } from './evidence-section.ts';
import { digits, type RawGuest } from './evidence-stream.ts';
import type { IsolationExpectation } from './launch-plan.ts';
import type { OpenFileObservation, ProcessObservation } from './observation.ts';
import { parseCgroup, parseFile, parseLimits, parseStat } from './proc-parse.ts';

/**
 * The guest's processes: what its unit's cgroup and its main process lead to, and a QEMU that runs as the guest's own user
 * elsewhere. A passer-by is none: evidence that is read by another at the same time tries devices in each cgroup for some
 * microseconds (device-rule.ts), and is in its own again when it is looked at.
 */
export function processesOf(
  guest: RawGuest,
  raw: Indexed,
  expectation: IsolationExpectation,
  controlGroup: string | undefined,
): readonly ProcessObservation[] {
  const strays = expectation.sharedUser ? [] : (strangersOf(guest, raw, expectation) ?? []);
  const seen = [...guest.pids, ...strays.filter((pid) => raw.strays.includes(pid))].flatMap(
    (pid) => processOf(pid, raw) ?? [],
  );
  const isQemu = (process: Process) => isFile(process, expectation.qemuDevice, expectation.qemuInode);
  const processes = seen.filter((process) => {
    if (!guest.pids.includes(process.pid)) return isQemu(process);
    const elsewhere = process.cgroup !== undefined && process.cgroup !== controlGroup;
    return !elsewhere || isQemu(process) || descends(process, seen, guest.mainPid);
  });
  return withRoles(processes, guest, raw, expectation);
}

export type Process = Omit<ProcessObservation, 'role'>;

export function processOf(pid: number, raw: Indexed): Process | undefined {
  const stat = parseStat(raw.files.get(`/proc/${pid}/stat`) ?? '');
  // It went away between the unit's list and the look at it.
  if (stat === undefined || !isThere(pid, raw)) return undefined;
  const executable = executableOf(pid, raw);
  const limits = raw.lines.get(`/proc/${pid}/limits`);
  return {
    pid,
    executableDevice: executable?.device ?? unread,
    executableInode: executable?.inode ?? unread,
    executableTarget: raw.links.get(`/proc/${pid}/exe`)?.target,
    startTimeTicks: stat.startTimeTicks,
    bootId: bootIdOf(raw),
    parentPid: stat.parentPid,
    // Of a reading that was cut short nobody knows what is missing.
    threads: (raw.complete ? raw.threads.get(pid) : undefined) ?? [],
    namespaces: namespacesOf(pid, raw),
    root: parseFile(raw.stats.get(`/proc/${pid}/root/.`)),
    directory: parseFile(raw.stats.get(`/proc/${pid}/cwd/.`)),
    cgroup: parseCgroup(raw.lines.get(`/proc/${pid}/cgroup`)),
    labels: raw.labels.get(pid) ?? [],
    limits: limits === undefined ? undefined : parseLimits(limits),
    openFiles: openFilesOf(pid, raw),
    moreOpenFiles: raw.crowded.has(pid),
    filesByMount: raw.filesByMount.get(pid),
  };
}

/**
 * Whether a child of the unit's main process, or one of which nothing is known, has ended since the processes were listed. One that
 * was dead when it was first looked at has ended before.
 */
export function helperWentAway(guest: RawGuest | undefined, raw: Indexed): boolean {
  return (guest?.pids ?? []).some((pid) => {
    const text = raw.files.get(`/proc/${pid}/stat`) ?? '';
    const stat = parseStat(text);
    if (stat === undefined) return true;
    if (isThere(pid, raw)) return false;
    const dead = /^[ZX]/.test(text.slice(text.lastIndexOf(')') + 2));
    return !dead && stat.parentPid === guest?.mainPid;
  });
}

function descends(process: Process, all: readonly Process[], mainPid: number): boolean {
  const parents = new Map(all.map(({ pid, parentPid }) => [pid, parentPid]));
  let pid: number | undefined = process.pid;
  for (let left = all.length; pid !== undefined && left >= 0; left--) {
    if (pid === mainPid && mainPid !== 0) return true;
    pid = parents.get(pid);
  }
  return false;
}

function executableOf(pid: number, raw: Indexed) {
  return parseFile(raw.stats.get(`/proc/${pid}/exe`));
}

function isThere(pid: number, raw: Indexed): boolean {
  return executableOf(pid, raw) !== undefined || livesOn(pid, raw);
}

/** For device and inode of an executable that could not be read: no file has them. */
const unread = -1;

/**
 * Whether a process without an executable is one all the same: when its first thread ends the kernel shows neither
 * executable nor root nor files of it, while its other threads go on. One that had no other thread has ended since its
 * threads were read (a logger's helper, each time a segment is full).
 */
function livesOn(pid: number, raw: Indexed): boolean {
  const threads = raw.threads.get(pid) ?? [];
  const gone = raw.complete && !raw.stats.has(`/proc/${pid}`);
  return !gone && threads.some((thread) => !thread.dead && thread.tid !== pid);
}

/**
 * Roles by what a process cannot change: its executable, its place under the unit's main process, its pid namespace. What is none
 * of these is held to what a logger may be. Where there is no device model though the launch is over, what stands in its place
 * counts as one: another program is not made harmless by its not being QEMU.
 */
function withRoles(
  processes: readonly Process[],
  { mainPid }: RawGuest,
  raw: Indexed,
  expectation: IsolationExpectation,
): readonly ProcessObservation[] {
  const mainNamespace = namespacesOf(mainPid, raw).pid;
  const roles = processes.map((process) => roleOf(process, mainPid, mainNamespace, expectation));
  const main = processes.find(({ pid }) => pid === mainPid);
  const stepIn = !roles.includes('device-model') && !(main !== undefined && isProgram(main, raw, launching));
  return processes.map((process, index) => {
    const role = roles[index] ?? 'logger';
    const honest =
      process === main
        ? isProgram(process, raw, ['/usr/bin/unshare'])
        : process.threads.every(({ uid }) => uid?.[1] === expectation.loggerUid);
    return { ...process, role: stepIn && !honest ? 'device-model' : role };
  });
}

/** What the main process runs until it becomes the parent of QEMU's pid namespace. */
const launching = launchPrograms.filter((path) => !path.endsWith('/unshare'));

function isProgram(process: Process, raw: Indexed, programs: readonly string[]): boolean {
  return programs.some((path) => {
    const file = parseFile(raw.stats.get(path));
    return file !== undefined && isFile(process, file.device, file.inode);
  });
}

function isFile(process: Process, device: number, inode: number): boolean {
  return process.executableDevice === device && process.executableInode === inode;
}

function roleOf(
  process: Process,
  mainPid: number,
  mainNamespace: string | undefined,
  { qemuDevice, qemuInode }: IsolationExpectation,
): ProcessRole {
  if (isFile(process, qemuDevice, qemuInode)) return 'device-model';
  if (process.pid === mainPid) return 'namespace-parent';
  if (process.executableInode === unread) return 'device-model';
  const own = process.namespaces.pid;
  return own !== undefined && mainNamespace !== undefined && own !== mainNamespace
    ? 'device-model'
    : 'logger';
}

/** None at all is not believed: every process of ours has some. */
function openFilesOf(pid: number, raw: Indexed): readonly OpenFileObservation[] | undefined {
  const files = (raw.linksIn.get(`/proc/${pid}/fd`) ?? []).flatMap(([name, { type, target }]) => {
    const descriptor = digits(name);
    // without a target it was closed meanwhile
    if (descriptor === undefined || target === '') return [];
    const file = parseFile(raw.stats.get(`/proc/${pid}/fd/${name}`));
    return [{ descriptor, type, target, file, mountIds: mountIdsOf(`/proc/${pid}/fdinfo/${name}`, raw) }];
  });
  return files.length === 0 || !raw.complete ? undefined : files;
}

/** The mount of an open file, as often as it was read. */
function mountIdsOf(path: string, { lines, again }: Indexed): readonly number[] {
  return [lines.get(path), again.get(path)].flatMap((text) =>
    text === undefined ? [] : (digits(/^mnt_id:\s+(\d+)$/m.exec(text)?.[1]) ?? []),
  );
}

/** Processes of the guest's uid that are none of its unit's. */
export function strangersOf(
  guest: RawGuest | undefined,
  { processesByUid }: Pick<Indexed, 'processesByUid'>,
  expectation: IsolationExpectation,
): readonly number[] | undefined {
  // The section looks for the uid of the lease: where that is another one it has looked for the wrong one.
  const uid = String(expectation.uid);
  if (processesByUid === undefined || guest === undefined || guest.uid !== uid) return undefined;
  return (processesByUid.get(uid) ?? []).filter((pid) => !guest.pids.includes(pid));
}
