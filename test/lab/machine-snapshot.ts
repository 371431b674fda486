import { lines, sh, type ShellText, word, words } from '../../provider/model/shell.ts';
import {
  accountDatabases,
  type HostSnapshot,
  mounts,
  units,
  volatileNamespaces,
  volatilePaths,
  volatileProcesses,
  watched,
} from './snapshot.ts';
import type { TestHost } from './test-host.ts';

/** Directories whose files are told by what they hold; those of others by their size. */
const digested = ['etc', 'home', 'opt', 'root', 'srv', 'usr/local', 'var/lib/stockade'];

/** What Xen's own services and libxl write for themselves, whoever has a domain: which domids were used lately, a lock, logs, where they would save. */
const ownOfXen: readonly RegExp[] = [
  /^run\/xenstored?(\/|$)/,
  /^var\/lib\/xenstored?(\/|$)/,
  /^run\/xen\/(domid-history|dm-reaper-lock)$/,
  /^var\/lib\/xen\/save$/,
  /^var\/log\/xen\/xenstored(-access)?\.log$/,
];

/** The same as `snapshotHost` shows, of a host that can only be asked by login; domains of Xen's count as interfaces do. */
export async function snapshotMachine(host: TestHost): Promise<HostSnapshot> {
  const told = await host.run(program);
  const parts = told.split('\0\0');
  const part = (index: number): readonly string[] => (parts[index] ?? '').split('\0').filter(Boolean);
  const linesOf = (index: number): readonly string[] => (part(index)[0] ?? '').trimEnd().split('\n');
  const sums = new Map(part(0).map((line) => [line.slice(66), line.slice(0, 16)]));
  return {
    files: part(1)
      .flatMap((line) => fileLine(line, sums))
      .sort(),
    processes: linesOf(2)
      .flatMap((line) => processLine(line))
      .sort(),
    mounts: mounts(part(3)[0] ?? ''),
    accounts: linesOf(4),
    interfaces: [...linesOf(5)].sort(),
    namespaces: namespaces(linesOf(6)),
    units: await units(host),
  };
}

const kinds: readonly string[] = ['mnt', 'net', 'ipc', 'uts', 'pid', 'cgroup', 'user'];

/** Parts end with two NULs, what is in them with one. */
const program: ShellText = sh`cd /
end() { printf '\\0\\0'; }
find ${words(digested)} -type f -size -1025k -print0 2>/dev/null | xargs -0r sha256sum -z
end
find ${words(watched)} -printf '%y %m %U:%G %s %p\\t%l\\0' 2>/dev/null
end
ps -eo pid=,ppid=,uid=,comm=
end
cat /proc/1/mountinfo
end
${lines(accountDatabases.map((name) => sh`sed ${word(`s/^/${name} /`)} /etc/${word(name)} 2>/dev/null`))}
end
ls /sys/class/net
! command -v xl >/dev/null || xl list | sed -n '2,$s/ .*//p'
end
ls /run/netns 2>/dev/null | sed 's/^/netns /'
grep -H . /proc/[0-9]*/comm 2>/dev/null
find /proc/[0-9]*/ns -mindepth 1 -printf '%h %f %l\\n' 2>/dev/null
end`;

function fileLine(line: string, sums: ReadonlyMap<string, string>): readonly string[] {
  const [, kind = '', mode = '', owner = '', size = '', path = '', target = ''] =
    /^(\S+) (\S+) (\S+) (\d+) ([^\t]*)\t(.*)$/s.exec(line) ?? [];
  if ([...volatilePaths, ...ownOfXen].some((pattern) => pattern.test(path))) return [];
  const held = kind === 'f' ? `${size} ${sums.get(path) ?? ''}` : target;
  return [`${JSON.stringify(`/${path}`)} ${kind} ${mode.padStart(4, '0')} ${owner} ${held}`.trimEnd()];
}

/** The kernel's own threads come and go; their parent, and they, are children of 0 and 2. */
function processLine(line: string): readonly string[] {
  const [, pid = '', parent = '', uid = '', name = ''] = /^ *(\d+) +(\d+) +(\d+) (.*)$/.exec(line) ?? [];
  const ofKernel = pid === '2' || parent === '2';
  const shown = `${uid} ${name}`;
  const ofLook = ['find', 'ps', 'sh', 'bash', 'sed', 'xargs'].includes(name);
  return name === '' || ofKernel || ofLook || volatileProcesses.test(shown) ? [] : [shown];
}

function namespaces(told: readonly string[]): readonly string[] {
  const named = told.filter((line) => line.startsWith('netns '));
  const names = new Map<string, string>();
  for (const line of told) {
    const [, pid = '', name = ''] = /^\/proc\/(\d+)\/comm:(.*)$/.exec(line) ?? [];
    if (pid !== '') names.set(pid, name);
  }
  const own = told.flatMap((line) => {
    const [, pid = '', kind = '', id = ''] = /^\/proc\/(\d+)\/ns ([a-z]+) ([a-z]+:\[\d+\])$/.exec(line) ?? [];
    const name = names.get(pid);
    return name === undefined || !kinds.includes(kind) || volatileNamespaces.test(name) ? [] : [id];
  });
  return [...named, ...new Set(own)].sort();
}
