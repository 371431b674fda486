import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { HostLink } from '../addresses.ts';
import { cgroupMembers } from '../cgroup.ts';
import { identify } from '../process.ts';
import { runDirectory } from '../run-record.ts';

export interface RunIdentity {
  readonly id: string;
  readonly links: readonly HostLink[];
}

/**
 * What a run has on this machine, noted while it runs. Numbers of namespaces and names of interfaces are given to others as
 * soon as they are free, so that they alone do not tell whose they are.
 */
export interface RunMarks extends RunIdentity {
  /** Network namespaces of its processes. */
  readonly namespaces: readonly string[];
  /** Its interfaces' indexes, which are not used twice. */
  readonly interfaces: readonly string[];
}

/** What is left of a run, or runs still. */
export interface Traces {
  readonly processes: readonly number[];
  readonly mounts: readonly string[];
  readonly namespaces: readonly string[];
  readonly interfaces: readonly string[];
  readonly cgroups: readonly string[];
  readonly files: readonly string[];
}

export const noTraces: Traces = {
  processes: [],
  mounts: [],
  namespaces: [],
  interfaces: [],
  cgroups: [],
  files: [],
};

export function marksOf(run: RunIdentity): RunMarks {
  const members = cgroupMembers(run.id);
  return {
    ...run,
    namespaces: [...new Set(members.map((pid) => link(`/proc/${pid}/ns/net`)))],
    interfaces: run.links.map(interfaceIndex).filter(Boolean),
  };
}

/** Time on the clock that processes' starts are told in. */
export function ticksNow(): number {
  return Math.floor(Number(read('/proc/uptime').split(' ')[0]) * 100);
}

/**
 * Looks at the whole machine for what belongs to the run. A process outside its control groups belongs to it if it is in one of
 * its network namespaces and was there before its end was asked for: a later one is in a namespace that only got the number.
 */
export function tracesOf(marks: RunMarks, endAsked = Number.POSITIVE_INFINITY): Traces {
  const mounts = new Set(allProcesses().flatMap(mountsOf));
  const inNamespaces = allProcesses()
    .filter((pid) => Number(identify(pid)?.startTicks) < endAsked)
    .map((pid) => link(`/proc/${pid}/ns/net`));
  return {
    processes: allProcesses().filter((pid) => read(`/proc/${pid}/cgroup`).includes(marks.id)),
    mounts: [...mounts].filter((line) => line.includes(marks.id)),
    namespaces: marks.namespaces.filter((id) => inNamespaces.includes(id)),
    interfaces: marks.links
      .filter((link) => marks.interfaces.includes(interfaceIndex(link)))
      .map(({ machineInterface }) => machineInterface),
    cgroups: controlGroups('/sys/fs/cgroup', marks.id),
    files: existsSync(runDirectory(marks.id)) ? [runDirectory(marks.id)] : [],
  };
}

function interfaceIndex({ machineInterface }: HostLink): string {
  return read(`/sys/class/net/${machineInterface}/ifindex`).trim();
}

function allProcesses(): readonly number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => identify(pid) !== undefined);
}

function mountsOf(pid: number): readonly string[] {
  return read(`/proc/${pid}/mountinfo`).split('\n');
}

function controlGroups(directory: string, id: string): readonly string[] {
  const below = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return below.flatMap((entry) => {
    const path = `${directory}/${entry.name}`;
    return entry.name === id ? [path] : existsSync(path) ? controlGroups(path, id) : [];
  });
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function link(file: string): string {
  try {
    return readlinkSync(file);
  } catch {
    return '';
  }
}
