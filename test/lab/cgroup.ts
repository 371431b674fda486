import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { identify, killExactly } from './process.ts';

/**
 * Control groups of a lab: one below each hierarchy systemd uses (cgroup2, and on older machines the version 1 hierarchy named
 * systemd), so that the hosts' own systemds never share a group, and so that whatever runs in a lab can be found again.
 */
const parent = 'stockade-lab';

interface Hierarchy {
  readonly mountPoint: string;
  readonly version: 1 | 2;
}

function hierarchies(): readonly Hierarchy[] {
  const found: Hierarchy[] = [];
  for (const line of readFileSync('/proc/self/mounts', 'utf8').split('\n')) {
    const [, mountPoint = '', type, options = ''] = line.split(' ');
    if (type === 'cgroup2') found.push({ mountPoint, version: 2 });
    if (type === 'cgroup' && options.split(',').includes('name=systemd'))
      found.push({ mountPoint, version: 1 });
  }
  if (found.length === 0) throw new Error('this machine has no control groups mounted at /sys/fs/cgroup');
  return found;
}

/** Makes the groups `name` (`RUN/HOST`) and returns their directories; a process enters by writing to `cgroup.procs` there. */
export function makeCgroups(name: string): readonly string[] {
  return hierarchies().map(({ mountPoint, version }) => {
    const directory = join(mountPoint, parent, name);
    mkdirSync(directory, { recursive: true });
    if (version === 2) delegate(mountPoint, name);
    return directory;
  });
}

/** Passes on the controllers that the machine gives to version 2; none on a machine that uses version 1 for them. */
function delegate(mountPoint: string, name: string): void {
  const levels = [
    parent,
    ...name
      .split('/')
      .slice(0, -1)
      .map((_, index, all) => join(parent, ...all.slice(0, index + 1))),
  ];
  for (const level of levels) {
    const available = readFileSync(join(mountPoint, level, 'cgroup.controllers'), 'utf8').trim();
    if (available === '') return;
    const wanted = available.split(' ').map((controller) => `+${controller}`);
    writeFileSync(join(mountPoint, level, 'cgroup.subtree_control'), wanted.join(' '));
  }
}

/** Every process in the groups `name` and below, or only those in groups whose path ends with `ending`. */
export function cgroupMembers(name: string, ending = ''): readonly number[] {
  const members = new Set<number>();
  for (const { mountPoint } of hierarchies()) {
    for (const directory of subtree(join(mountPoint, parent, name)).filter((path) => path.endsWith(ending))) {
      for (const pid of readLines(join(directory, 'cgroup.procs'))) members.add(Number(pid));
    }
  }
  return [...members];
}

/** Kills every process in the groups `name` and below. */
export function killCgroups(name: string): void {
  for (const pid of cgroupMembers(name)) {
    const identity = identify(pid);
    if (identity !== undefined && identity.pid > 1) killExactly(identity);
  }
}

/** Removes the groups `name` and below, and the labs' parent group after its last user. */
export function removeCgroups(name: string): void {
  for (const { mountPoint } of hierarchies()) {
    for (const directory of subtree(join(mountPoint, parent, name)).reverse()) removeEmpty(directory);
    removeEmpty(join(mountPoint, parent));
  }
}

function removeEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== 'ENOENT' && code !== 'EBUSY' && code !== 'ENOTEMPTY') throw error;
  }
}

/** The directory and all below it, parents first. */
function subtree(directory: string): string[] {
  try {
    const below = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    return [directory, ...below.flatMap((entry) => subtree(join(directory, entry.name)))];
  } catch {
    return [];
  }
}

function readLines(file: string): readonly string[] {
  try {
    return readFileSync(file, 'utf8').split('\n').filter(Boolean);
  } catch {
    return [];
  }
}
