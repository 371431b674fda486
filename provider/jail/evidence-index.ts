import { digits, type RawEvidence, type RawLink } from './evidence-stream.ts';
import { type NamespaceLinks, namespaceKinds, type ThreadObservation } from './observation.ts';
import { parseThreads } from './proc-parse.ts';

type Entries<T> = ReadonlyMap<string, readonly (readonly [name: string, value: T])[]>;

/** What was shown, with what is looked for by directory found once and for all: a host may have hundreds of guests. */
export interface Indexed extends Omit<RawEvidence, 'threads' | 'counts'> {
  readonly threads: ReadonlyMap<number, readonly ThreadObservation[]>;
  readonly linksIn: Entries<RawLink>;
  readonly statsIn: Entries<readonly string[]>;
  /** How many open files are in which mount, by process; of those with more than are listed. */
  readonly filesByMount: ReadonlyMap<number, ReadonlyMap<number, number>>;
  /** Labels of the host's security module by process, one a thread. */
  readonly labels: ReadonlyMap<number, readonly string[]>;
}

export function indexed(raw: RawEvidence): Indexed {
  return {
    ...raw,
    threads: parseThreads(raw.threads),
    linksIn: byDirectory(raw.links),
    statsIn: byDirectory(raw.stats),
    filesByMount: countsOf(raw.counts),
    labels: labelsOf(raw.files),
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

export function namespacesOf(pid: number, raw: Pick<RawEvidence, 'links'>): NamespaceLinks {
  const links: Partial<Record<(typeof namespaceKinds)[number], string>> = {};
  for (const kind of namespaceKinds) {
    const target = raw.links.get(`/proc/${pid}/ns/${kind}`)?.target;
    if (target !== undefined && /^[a-z]+:\[\d{1,20}\]$/.test(target)) links[kind] = target;
  }
  return links;
}
