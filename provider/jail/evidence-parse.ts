import type { ProcessRole } from '../model/evidence.ts';
import { failure, problem, type Result, success } from '../model/diagnostic.ts';
import { guestUnit } from '../model/paths.ts';
import {
  digits,
  type RawEvidence,
  type RawGuest,
  type RawLink,
  readEvidenceStream,
} from './evidence-stream.ts';
import type { IsolationExpectation } from './launch-plan.ts';
import {
  type FileObservation,
  type GuestObservation,
  type NamespaceLinks,
  namespaceKinds,
  type OpenFileObservation,
  type ProcessObservation,
  type ThreadObservation,
} from './observation.ts';
import { parseImages } from './disks.ts';
import { parseFile, parseLimits, parseMountinfo, parseStat, parseThreads, parseUnits } from './proc-parse.ts';

/**
 * What the evidence section showed, one observation per expectation, in their order. A guest without processes is one that
 * does not run; what could not be read is `undefined` in the observation and `unproven` later. Fails only where the section
 * itself is not one.
 */
export function parseEvidence(
  bytes: Uint8Array,
  expectations: readonly IsolationExpectation[],
  host: string,
): Result<readonly GuestObservation[]> {
  const read = readEvidenceStream(bytes);
  if (!read.ok) return { ok: false, diagnostics: read.diagnostics.map((each) => ({ ...each, host })) };
  const raw = indexed(read.value);
  if (raw.complete && bootIdOf(raw) === '') {
    return failure(problem('evidence-unreadable', 'The evidence section could not read /proc.', { host }));
  }
  const owners = namespaceOwners(raw);
  const units = parseUnits(raw.units);
  return success(
    expectations.map((expectation) => {
      const guest = raw.guests.get(expectation.guest);
      const processes = guest === undefined ? [] : processesOf(guest, raw, expectation);
      return {
        host,
        guest: expectation.guest,
        takenAt: /^[0-9T:Z-]{20}$/.test(raw.time) ? raw.time : '',
        unit: units.get(guestUnit(expectation.guest)),
        running: processes.some((process) => process.role === 'device-model'),
        processes,
        strangers: strangersOf(guest, raw, expectation),
        hostNamespaces: namespacesOf(1, raw),
        sharedNamespaces: sharedNamespaces(guest, owners, raw),
        mounts: mountsOf(guest, raw),
        deviceNodes: deviceNodesOf(guest, raw),
        images: parseImages(raw.files.get(`${expectation.runDirectory}/disks`)),
        chroot: parseFile(raw.stats.get(expectation.chroot)),
        chrootEntries: entriesOf(expectation.chroot, raw),
      };
    }),
  );
}

type Entries<T> = ReadonlyMap<string, readonly (readonly [name: string, value: T])[]>;

/** What was shown, with what is looked for by directory found once and for all: a host may have hundreds of guests. */
interface Indexed extends Omit<RawEvidence, 'threads'> {
  readonly threads: ReadonlyMap<number, readonly ThreadObservation[]>;
  readonly linksIn: Entries<RawLink>;
  readonly statsIn: Entries<readonly string[]>;
}

function indexed(raw: RawEvidence): Indexed {
  return {
    ...raw,
    threads: parseThreads(raw.threads),
    linksIn: byDirectory(raw.links),
    statsIn: byDirectory(raw.stats),
  };
}

function byDirectory<T>(paths: ReadonlyMap<string, T>): Entries<T> {
  const directories = new Map<string, [string, T][]>();
  for (const [path, value] of paths) {
    const slash = path.lastIndexOf('/');
    const directory = path.slice(0, slash);
    const entries = directories.get(directory);
    const entry: [string, T] = [path.slice(slash + 1), value];
    if (entries === undefined) directories.set(directory, [entry]);
    else entries.push(entry);
  }
  return directories;
}

function processesOf(
  guest: RawGuest,
  raw: Indexed,
  expectation: IsolationExpectation,
): readonly ProcessObservation[] {
  const mainPidNamespace = namespacesOf(guest.mainPid, raw).pid;
  return guest.pids.flatMap((pid) => {
    const stat = parseStat(raw.files.get(`/proc/${pid}/stat`) ?? '');
    const executable = parseFile(raw.stats.get(`/proc/${pid}/exe`));
    // It went away between the unit's list and the look at it.
    if (stat === undefined || (executable === undefined && !livesOn(pid, raw))) return [];
    const limits = raw.lines.get(`/proc/${pid}/limits`);
    const process = {
      pid,
      executableDevice: executable?.device ?? unread,
      executableInode: executable?.inode ?? unread,
      startTimeTicks: stat.startTimeTicks,
      bootId: bootIdOf(raw),
      parentPid: stat.parentPid,
      // Of a reading that was cut short nobody knows what is missing.
      threads: (raw.complete ? raw.threads.get(pid) : undefined) ?? [],
      namespaces: namespacesOf(pid, raw),
      root: parseFile(raw.stats.get(`/proc/${pid}/root/.`)),
      directory: parseFile(raw.stats.get(`/proc/${pid}/cwd/.`)),
      limits: limits === undefined ? undefined : parseLimits(limits),
      openFiles: openFilesOf(pid, raw),
      moreOpenFiles: guest.many.includes(pid),
    };
    return [{ ...process, role: roleOf(process, guest.mainPid, mainPidNamespace, expectation) }];
  });
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

function bootIdOf(raw: Pick<RawEvidence, 'files'>): string {
  return (raw.files.get('/proc/sys/kernel/random/boot_id') ?? '').trim();
}

/**
 * By what a process cannot change: its executable, its place under the unit's main process, its pid namespace. What is none
 * of these is held to what a logger may be.
 */
function roleOf(
  process: Omit<ProcessObservation, 'role'>,
  mainPid: number,
  mainPidNamespace: string | undefined,
  { qemuDevice, qemuInode }: IsolationExpectation,
): ProcessRole {
  if (process.executableDevice === qemuDevice && process.executableInode === qemuInode) return 'device-model';
  if (process.pid === mainPid) return 'namespace-parent';
  if (process.executableInode === unread) return 'device-model';
  const own = process.namespaces.pid;
  return own !== undefined && mainPidNamespace !== undefined && own !== mainPidNamespace
    ? 'device-model'
    : 'logger';
}

function namespacesOf(pid: number, raw: Pick<RawEvidence, 'links'>): NamespaceLinks {
  const links: Partial<Record<(typeof namespaceKinds)[number], string>> = {};
  for (const kind of namespaceKinds) {
    const target = raw.links.get(`/proc/${pid}/ns/${kind}`)?.target;
    if (target !== undefined && /^[a-z]+:\[\d{1,20}\]$/.test(target)) links[kind] = target;
  }
  return links;
}

/** Guests by namespace, without the host's own. */
function namespaceOwners(raw: Indexed): ReadonlyMap<string, ReadonlySet<string>> {
  const hosts = new Set(Object.values(namespacesOf(1, raw)));
  const owners = new Map<string, Set<string>>();
  for (const guest of raw.guests.values()) {
    for (const own of guest.pids.flatMap((pid) => Object.values(namespacesOf(pid, raw)))) {
      if (!hosts.has(own)) owners.set(own, (owners.get(own) ?? new Set()).add(guest.name));
    }
  }
  return owners;
}

function sharedNamespaces(
  guest: RawGuest | undefined,
  owners: ReadonlyMap<string, ReadonlySet<string>>,
  raw: Indexed,
): GuestObservation['sharedNamespaces'] {
  const shared: Partial<Record<(typeof namespaceKinds)[number], string>> = {};
  for (const pid of guest?.pids ?? []) {
    const namespaces = namespacesOf(pid, raw);
    for (const kind of namespaceKinds) {
      const other = [...(owners.get(namespaces[kind] ?? '') ?? [])].find((name) => name !== guest?.name);
      if (other !== undefined) shared[kind] = other;
    }
  }
  return shared;
}

/** None at all is not believed: every process of ours has some. */
function openFilesOf(pid: number, raw: Indexed): readonly OpenFileObservation[] | undefined {
  const files = (raw.linksIn.get(`/proc/${pid}/fd`) ?? []).flatMap(([name, link]) => {
    const descriptor = digits(name);
    const file = parseFile(raw.stats.get(`/proc/${pid}/fd/${name}`));
    return descriptor === undefined ? [] : [{ descriptor, ...link, file }];
  });
  return files.length === 0 || !raw.complete ? undefined : files;
}

const uidLine = /^\/proc\/(\d+)\/status:Uid:\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)$/;

function strangersOf(
  guest: RawGuest | undefined,
  raw: Pick<RawEvidence, 'strangers'>,
  expectation: IsolationExpectation,
): readonly number[] | undefined {
  // The section looks for the uid of the lease: where that is another one it has looked for the wrong one.
  if (raw.strangers === undefined || guest === undefined || guest.uid !== String(expectation.uid))
    return undefined;
  return raw.strangers.split('\n').flatMap((line) => {
    const [, pid, ...uids] = uidLine.exec(line) ?? [];
    if (pid === undefined || !uids.includes(String(expectation.uid))) return [];
    return guest.pids.includes(Number(pid)) ? [] : [Number(pid)];
  });
}

function mountsOf(guest: RawGuest | undefined, raw: Pick<RawEvidence, 'lines'>): GuestObservation['mounts'] {
  const text = guest === undefined ? undefined : raw.lines.get(`/proc/${guest.mainPid}/mountinfo`);
  return text === undefined ? undefined : parseMountinfo(text);
}

function deviceNodesOf(
  guest: RawGuest | undefined,
  raw: Indexed,
): Readonly<Record<string, FileObservation>> | undefined {
  if (guest === undefined || guest.mainPid === 0) return undefined;
  const nodes = (raw.statsIn.get(`/proc/${guest.mainPid}/root/dev`) ?? []).flatMap(([name, fields]) => {
    const node = parseFile(fields);
    return node === undefined ? [] : [[name, node] as const];
  });
  return nodes.length === 0 ? undefined : Object.fromEntries(nodes);
}

function entriesOf(chroot: string, raw: Indexed): readonly string[] | undefined {
  if (!raw.complete || raw.links.get(chroot) === undefined) return undefined;
  return (raw.linksIn.get(chroot) ?? []).map(([name]) => name);
}
