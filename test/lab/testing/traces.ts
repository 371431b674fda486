import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { HostLink } from '../addresses.ts';
import { cgroupMembers } from '../cgroup.ts';
import { identify } from '../process.ts';
import { runDirectory } from '../run-record.ts';

export interface RunIdentity {
  readonly id: string;
  readonly links: readonly HostLink[];
}

/** What a run has on this machine. The namespaces are those of its processes, and must be read while these live. */
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

/** Looks at the whole machine for what belongs to the run; `namespaces` are those it was seen to use while it ran. */
export function tracesOf(run: RunIdentity, namespaces: readonly string[]): Traces {
  const used = new Set(allProcesses().map((pid) => link(`/proc/${pid}/ns/net`)));
  const mounts = new Set(allProcesses().flatMap(mountsOf));
  return {
    processes: allProcesses().filter((pid) => read(`/proc/${pid}/cgroup`).includes(run.id)),
    mounts: [...mounts].filter((line) => line.includes(run.id) || namespaces.some((id) => line.includes(id))),
    namespaces: namespaces.filter((id) => used.has(id)),
    interfaces: run.links
      .map(({ machineInterface }) => machineInterface)
      .filter((name) => existsSync(`/sys/class/net/${name}`)),
    cgroups: controlGroups('/sys/fs/cgroup', run.id),
    files: existsSync(runDirectory(run.id)) ? [runDirectory(run.id)] : [],
  };
}

/** The network namespaces of the run's processes, while it runs. */
export function networkNamespaces(id: string): readonly string[] {
  return [...new Set(cgroupMembers(id).map((pid) => link(`/proc/${pid}/ns/net`)))];
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
