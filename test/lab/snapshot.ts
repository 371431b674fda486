import { createHash } from 'node:crypto';
import { type Dirent, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { LabHost } from './lab.ts';
import type { TestHost } from './test-host.ts';

/** What a host looks like: sorted lines, one per thing, by kind. Two of them are compared with `compareSnapshots`. */
export interface HostSnapshot {
  /** Names of processes with their owners. */
  readonly processes: readonly string[];
  /** Mount point, type, source and options, as the host's first process sees them. */
  readonly mounts: readonly string[];
  /** Lines of passwd, shadow, group, gshadow, subuid and subgid. */
  readonly accounts: readonly string[];
  /** Names of the host's network interfaces. */
  readonly interfaces: readonly string[];
  /** Everything below the watched directories: type, mode, owner, size and digest or link target, path. */
  readonly files: readonly string[];
  /** Units that are active or failed, with their state; without systemd's own and logins'. */
  readonly units: readonly string[];
  /** Names of named network namespaces, and ids of namespaces that processes are in. */
  readonly namespaces: readonly string[];
}

/** Directories whose files are looked at, as seen from the root. */
export const watched = ['boot', 'dev', 'etc', 'home', 'opt', 'root', 'run', 'srv', 'tmp', 'usr/local', 'var'];

/** Files of accounts, below /etc. */
export const accountDatabases = ['passwd', 'shadow', 'group', 'gshadow', 'subuid', 'subgid'] as const;

/** What changes by itself: journals and logins, systemd's own bookkeeping, clocks, what a login leaves, previous account files. */
export const volatilePaths: readonly RegExp[] = [
  /^run\/(log|utmp|sudo|motd\.dynamic|credentials|user)(\/|$)/,
  /^run\/systemd\/(journal|sessions|users|transient|units|propagate|inhibit|seats|notify|private|cgroups-agent|generator)/,
  /^run\/(dbus|host|udev|initctl|sshd\.pid|mount)(\/|$)/,
  /^var\/log\/(journal|wtmp|btmp|lastlog|faillog|private)(\/|$)/,
  /^var\/lib\/systemd\/(random-seed|timesync|timers|linger|pstore|coredump)/,
  /^(tmp|var\/tmp)\/systemd-private-/,
  /^tmp\/\.(X11|ICE|XIM|font)-unix/,
  /^root\/\.(bash_history|lesshst|cache)/,
  /^etc\/\.pwd\.lock$/,
  /^etc\/(passwd|shadow|group|gshadow|subuid|subgid)-$/,
  /^dev\/(pts|fd|char|mqueue|hugepages)(\/|$)/,
];

/** Come and go by themselves: logins, and what systemd starts and stops at will. */
export const volatileProcesses =
  /^\S+ (sshd(-session)?|\(sd-pam\)|systemd-(hostnam|timedate|locale|userwor|tmpfile).*|\(.*\)|agetty)$/;
const ownUnits = /^(systemd-|user-|user@|session-|modprobe@|system-modprobe|init\.scope)/;
const digestedBytes = 1024 * 1024;

/** Takes down what the host looks like now, from outside: all that runs in the host for it is one `systemctl`. */
export async function snapshotHost(host: LabHost): Promise<HostSnapshot> {
  const first = host.firstProcess;
  if (first === undefined) throw new Error(`test host ${host.name} is down`);
  const root = `/proc/${first}/root`;
  return {
    processes: processes(join(root, 'proc')),
    mounts: mounts(readText(`/proc/${first}/mountinfo`)),
    accounts: accounts(root),
    interfaces: readdirSync(join(root, 'sys/class/net')).sort(),
    files: watched.flatMap((directory) => files(root, directory)).sort(),
    units: await units(host),
    namespaces: namespaces(root),
  };
}

/** What is in one snapshot and not in the other: lines that start with `- ` (gone) or `+ ` (new), by kind. */
export function compareSnapshots(before: HostSnapshot, after: HostSnapshot): readonly string[] {
  return (Object.keys(before) as (keyof HostSnapshot)[]).flatMap((kind) => [
    ...without(before[kind], after[kind]).map((line) => `- ${kind}: ${line}`),
    ...without(after[kind], before[kind]).map((line) => `+ ${kind}: ${line}`),
  ]);
}

/** Systemd's own services, and workers of theirs, have mount and uts namespaces of their own that change when they restart. */
export const volatileNamespaces = /^(systemd|\(sd-|\(udev-|sshd)/;

/** Counts: two processes of one name are two lines. */
function without(lines: readonly string[], others: readonly string[]): readonly string[] {
  const left = new Map<string, number>();
  for (const line of others) left.set(line, (left.get(line) ?? 0) + 1);
  return lines.filter((line) => {
    const count = left.get(line) ?? 0;
    left.set(line, count - 1);
    return count <= 0;
  });
}

function processes(proc: string): readonly string[] {
  return readdirSync(proc)
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      const status = readText(join(proc, pid, 'status'));
      const name = JSON.stringify(readText(join(proc, pid, 'comm')).replace(/\n$/, '')).slice(1, -1);
      const uid = /^Uid:\s+(\d+)/m.exec(status)?.[1];
      return uid === undefined || volatileProcesses.test(`${uid} ${name}`) ? [] : [`${uid} ${name}`];
    })
    .sort();
}

/** Of the text of a `mountinfo`. */
export function mounts(text: string): readonly string[] {
  return text
    .trimEnd()
    .split('\n')
    .flatMap((line) => {
      // an automount's number is another one after each boot
      const [mount = '', source = ''] = line.replace(/,pipe_ino=\d+/, '').split(' - ');
      const fields = mount.split(' ');
      if (/^\/run\/(credentials|user)\//.test(fields[4] ?? '')) return [];
      return [`${fields[4]} ${fields[3]} ${fields[5]} ${source}`];
    })
    .sort();
}

export async function units(host: TestHost): Promise<readonly string[]> {
  const types = '--type=service,socket,slice,timer,path,scope';
  const listed = await host.run([
    'systemctl',
    'list-units',
    '--all',
    '--plain',
    '--no-legend',
    '--full',
    types,
  ]);
  return listed
    .trimEnd()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).slice(0, 4))
    .filter(([name = '', , active]) => active !== 'inactive' && !ownUnits.test(name))
    .map((fields) => fields.join(' '))
    .sort();
}

function accounts(root: string): readonly string[] {
  return accountDatabases.flatMap((name) =>
    readText(join(root, 'etc', name))
      .trimEnd()
      .split('\n')
      .map((line) => `${name} ${line}`),
  );
}

function namespaces(root: string): readonly string[] {
  const named = list(join(root, 'run/netns')).map((entry) => `netns ${entry.name}`);
  const proc = join(root, 'proc');
  const kinds = ['mnt', 'net', 'ipc', 'uts', 'pid', 'cgroup', 'user'] as const;
  const first = kinds.map((kind) => readLink(join(proc, '1/ns', kind)));
  const others = readdirSync(proc)
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => !volatileNamespaces.test(readText(join(proc, pid, 'comm'))))
    .flatMap((pid) => kinds.map((kind) => readLink(join(proc, pid, 'ns', kind))))
    .filter((id) => id !== '' && !first.includes(id));
  return [...named, ...new Set(others)].sort();
}

function files(root: string, path: string): readonly string[] {
  if (volatilePaths.some((pattern) => pattern.test(path))) return [];
  const line = describeFile(join(root, path), path);
  if (line === undefined) return [];
  return [line, ...list(join(root, path)).flatMap((entry) => files(root, `${path}/${entry.name}`))];
}

function describeFile(file: string, path: string): string | undefined {
  const stat = lstatSync(file, { throwIfNoEntry: false });
  if (stat === undefined) return undefined;
  const mode = (stat.mode & 0o7777).toString(8).padStart(4, '0');
  const name = JSON.stringify(`/${path}`);
  const owner = `${stat.uid}:${stat.gid}`;
  if (stat.isSymbolicLink()) return `${name} link ${owner} ${readLink(file)}`;
  if (stat.isDirectory()) return `${name} directory ${mode} ${owner}`;
  if (!stat.isFile())
    return `${name} special ${(stat.mode & 0o170000).toString(8)} ${mode} ${owner} ${stat.rdev}`;
  return `${name} file ${mode} ${owner} ${stat.size} ${stat.size <= digestedBytes ? digest(file) : ''}`.trimEnd();
}

function digest(file: string): string {
  try {
    return createHash('sha256').update(readFileSync(file)).digest('hex').slice(0, 16);
  } catch {
    return 'unreadable';
  }
}

/** Empty for what is no directory, or is gone by now. Links are not followed: their targets would be this machine's. */
function list(path: string): readonly Dirent[] {
  try {
    return lstatSync(path).isDirectory() ? readdirSync(path, { withFileTypes: true }) : [];
  } catch {
    return [];
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function readLink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
