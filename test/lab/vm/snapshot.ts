import { sh, word, words } from '../../../provider/model/shell.ts';
import {
  accountDatabases,
  type HostSnapshot,
  mounts,
  units,
  volatileNamespaces,
  volatilePaths,
  volatileProcesses,
  watched,
} from '../snapshot.ts';
import type { VmHost } from './host.ts';

/** What may hold something of ours: of these files the content counts as well. */
const digested = ['/etc', '/run/stockade', '/srv', '/usr/local', '/var/lib/stockade'];
const accountFiles = accountDatabases.map((name) => `/etc/${name}`);

/** Fields ended by NUL; a part begins with its name alone. */
const script = sh`printf 'processes\\0'
grep -sHE '^(Name|Uid|PPid):' /proc/[0-9]*/status | tr '\\n' '\\0'
printf 'mounts\\0'
tr '\\n' '\\0' </proc/1/mountinfo
printf 'accounts\\0'
grep -sH '' ${words(accountFiles)} | tr '\\n' '\\0'
printf 'interfaces\\0'
find /sys/class/net -mindepth 1 -printf '%f\\0'
printf 'namespaces\\0'
find /run/netns -mindepth 1 -printf 'netns %f\\0' 2>/dev/null
find /proc/[0-9]*/ns -name '*[a-z]' ! -name '*_for_children' ! -name 'time' -printf '%h %l\\0' 2>/dev/null
printf 'files\\0'
find ${words(watched.map((directory) => `/${directory}`))} -printf '%p %y %04m %U:%G %s %l\\0' 2>/dev/null
printf 'digests\\0'
find ${words(digested)} -type f -size -1024k -print0 2>/dev/null | sort -z | xargs -0r sha256sum -z 2>/dev/null
printf 'end\\0'`;

const parts = ['processes', 'mounts', 'accounts', 'interfaces', 'namespaces', 'files', 'digests'] as const;
type Part = (typeof parts)[number];

/** `snapshotHost` of a machine with a kernel of its own: there everything is asked for over its login. */
export async function snapshotVmHost(host: VmHost): Promise<HostSnapshot> {
  const told = partsOf(await host.run(sh`sh -c ${word(script.text)}`));
  const processes = processesOf(told('processes'));
  return {
    processes: [...processes.values()]
      // threads of the kernel come and go
      .filter(({ pid, parent, line }) => pid !== '2' && parent !== '2' && !volatileProcesses.test(line))
      .map(({ line }) => line)
      .sort(),
    mounts: mounts(told('mounts').join('\n')),
    accounts: told('accounts').map((line) => line.replace(/^\/etc\/(\w+):/, '$1 ')),
    interfaces: [...told('interfaces')].sort(),
    files: filesOf(told('files'), told('digests')),
    units: await units(host),
    namespaces: namespacesOf(told('namespaces'), processes),
  };
}

function partsOf(text: string): (part: Part) => readonly string[] {
  const fields = text.split('\0');
  return (part) => {
    const start = fields.indexOf(part);
    const end = fields.indexOf(parts[parts.indexOf(part) + 1] ?? 'end', start);
    if (start < 0 || end < 0) throw new Error(`the machine did not say all of its ${part}`);
    return fields.slice(start + 1, end);
  };
}

interface Process {
  readonly pid: string;
  readonly parent: string;
  readonly name: string;
  /** Owner and name. */
  readonly line: string;
}

/** Of lines of `/proc/PID/status`, with their file. */
function processesOf(lines: readonly string[]): ReadonlyMap<string, Process> {
  const found = new Map<string, Record<string, string>>();
  for (const line of lines) {
    const [, pid = '', key = '', value = ''] = /^\/proc\/(\d+)\/status:(\w+):\s*([^\t]*)/.exec(line) ?? [];
    found.set(pid, { ...found.get(pid), [key]: value });
  }
  const processes = [...found].map(([pid, { Name: name = '', PPid: parent = '', Uid: uid = '' }]) => ({
    pid,
    parent,
    name,
    line: `${uid} ${name}`,
  }));
  return new Map(processes.map((each) => [each.pid, each]));
}

function filesOf(lines: readonly string[], digests: readonly string[]): readonly string[] {
  const contents = new Map(digests.map((line) => [line.slice(66), line.slice(0, 16)]));
  return lines
    .flatMap((line) => {
      const [, path = '', type = '', rest = ''] =
        /^(.*) ([a-zA-Z]) (\d{4} \d+:\d+ \d+ .*)$/s.exec(line) ?? [];
      if (volatilePaths.some((pattern) => pattern.test(path.slice(1)))) return [];
      const kind = { f: 'file', d: 'directory', l: 'link' }[type] ?? `special ${type}`;
      // the size of a directory is how many names it once had
      const shown = type === 'd' ? rest.replace(/ \d+ $/, '') : rest;
      return [`${JSON.stringify(path)} ${kind} ${shown} ${contents.get(path) ?? ''}`.trimEnd()];
    })
    .sort();
}

function namespacesOf(lines: readonly string[], processes: ReadonlyMap<string, Process>): readonly string[] {
  const seen = lines.map((line) => /^\/proc\/(\d+)\/ns (.*)$/.exec(line) ?? ['', '', line]);
  const first = new Set(seen.filter(([, pid]) => pid === '1').map(([, , id]) => id));
  const others = seen
    .filter(([, pid = '']) => !volatileNamespaces.test(processes.get(pid)?.name ?? ''))
    .flatMap(([, , id = '']) => (first.has(id) || id === '' ? [] : [id]));
  return [...new Set(others)].sort();
}
