import { digits, type RawEvidence, type RawLink } from './evidence-stream.ts';
import { parseProfiles } from './lsm.ts';
import { loadedProfilesPath } from './lsm-profile.ts';
import {
  type CgroupObservation,
  type GuestObservation,
  type NamespaceLinks,
  namespaceKinds,
  type ThreadObservation,
} from './observation.ts';
import { parseThreads } from './proc-parse.ts';

type Entries<T> = ReadonlyMap<string, readonly (readonly [name: string, value: T])[]>;

/** What was shown, with what is looked for by directory found once and for all: a host may have hundreds of guests. */
export interface Indexed extends Omit<RawEvidence, 'threads' | 'counts' | 'strangers'> {
  readonly threads: ReadonlyMap<number, readonly ThreadObservation[]>;
  readonly linksIn: Entries<RawLink>;
  readonly statsIn: Entries<readonly string[]>;
  /** How many open files are in which mount, by process; of those with more than are listed. */
  readonly filesByMount: ReadonlyMap<number, ReadonlyMap<number, number>>;
  /** Labels of the host's security module by process, one a thread. */
  readonly labels: ReadonlyMap<number, readonly string[]>;
  /** Of each process of which any could be read. */
  readonly namespaces: ReadonlyMap<number, NamespaceLinks>;
  /** Processes by each of their uids, guests' own among them; `undefined`: they could not be listed. */
  readonly processesByUid: ReadonlyMap<string, readonly number[]> | undefined;
  readonly diskParts: CgroupObservation['diskParts'];
  readonly profiles: GuestObservation['profiles'];
}

export function indexed({ strangers, ...raw }: RawEvidence): Indexed {
  const linksIn = byDirectory(raw.links);
  return {
    ...raw,
    threads: parseThreads(raw.threads),
    linksIn,
    statsIn: byDirectory(raw.stats),
    filesByMount: countsOf(raw.counts),
    labels: labelsOf(raw.files),
    namespaces: namespacesIn(linksIn),
    processesByUid: strangers === undefined ? undefined : byUid(strangers),
    diskParts: diskPartsOf(raw.files),
    profiles: parseProfiles(raw.files.get(loadedProfilesPath)),
  };
}

function countsOf(text: string): Indexed['filesByMount'] {
  const counts = new Map<number, Map<number, number>>();
  // what was cut shows in its last line, which has no end
  for (const line of text.split('\n').slice(0, -1)) {
    const [count, pid, mount] = line.trim().split(' ').map(digits);
    if (count === undefined || pid === undefined || mount === undefined) continue;
    counts.set(pid, (counts.get(pid) ?? new Map<number, number>()).set(mount, count));
  }
  return counts;
}

function labelsOf(files: RawEvidence['files']): Indexed['labels'] {
  const labels = new Map<number, string[]>();
  for (const [path, content] of files) {
    const pid = digits(/^\/proc\/(\d+)\/task\/\d+\/attr\/(?:apparmor\/)?current$/.exec(path)?.[1]);
    if (pid !== undefined) labels.set(pid, [...(labels.get(pid) ?? []), content.trim()]);
  }
  return labels;
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

export function bootIdOf(raw: Pick<RawEvidence, 'files'>): string {
  return (raw.files.get('/proc/sys/kernel/random/boot_id') ?? '').trim();
}

export function namespacesOf(pid: number, raw: Pick<Indexed, 'namespaces'>): NamespaceLinks {
  return raw.namespaces.get(pid) ?? {};
}

function namespacesIn(linksIn: Entries<RawLink>): Indexed['namespaces'] {
  const found = new Map<number, NamespaceLinks>();
  for (const [directory, entries] of linksIn) {
    const pid = digits(/^\/proc\/(\d+)\/ns$/.exec(directory)?.[1]);
    if (pid === undefined) continue;
    const targets = new Map(entries.map(([kind, { target }]) => [kind, target]));
    const links: Partial<Record<(typeof namespaceKinds)[number], string>> = {};
    for (const kind of namespaceKinds) {
      const target = targets.get(kind);
      if (target !== undefined && /^[a-z]+:\[\d{1,20}\]$/.test(target)) links[kind] = target;
    }
    found.set(pid, links);
  }
  return found;
}

const uidLine = /^\/proc\/(\d+)\/status:Uid:\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)$/;

function byUid(strangers: string): NonNullable<Indexed['processesByUid']> {
  const processes = new Map<string, number[]>();
  for (const line of strangers.split('\n')) {
    const [, pid, ...uids] = uidLine.exec(line) ?? [];
    for (const uid of new Set(uids)) {
      const known = processes.get(uid);
      if (known === undefined) processes.set(uid, [Number(pid)]);
      else known.push(Number(pid));
    }
  }
  return processes;
}

/** `/sys/dev/block/DISK/…/dev` holds the number of what lies on that disk. */
function diskPartsOf(files: RawEvidence['files']): Indexed['diskParts'] {
  const parts: Record<string, string[]> = {};
  for (const [path, content] of files) {
    const disk = /^\/sys\/dev\/block\/(\d+:\d+)\/(?:.*\/)?dev$/.exec(path)?.[1];
    if (disk !== undefined) (parts[disk] ??= []).push(content.trim());
  }
  return parts;
}
