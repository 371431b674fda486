import { digits } from './evidence-stream.ts';
import {
  type CapabilitySet,
  capabilitySets,
  type FileObservation,
  type FourIds,
  type LimitObservation,
  type ThreadObservation,
  type UnitObservation,
} from './observation.ts';

/**
 * Threads by process, from lines of /proc/PID/task/TID/status one after another: each begins with `State:`, and the kernel says
 * whose it is. What a process may call itself is not among the lines.
 */
export function parseThreads(text: string): ReadonlyMap<number, readonly ThreadObservation[]> {
  const threads = new Map<number, ThreadObservation[]>();
  for (const lines of statusBlocks(text)) {
    const [pid, tid] = [digits(lines.get('Tgid')), digits(lines.get('Pid'))];
    if (pid === undefined || tid === undefined) continue;
    const known = threads.get(pid);
    const thread = threadOf(tid, lines);
    if (known === undefined) threads.set(pid, [thread]);
    else known.push(thread);
  }
  return threads;
}

/** Of each block the first line of each key. */
function* statusBlocks(text: string): Generator<ReadonlyMap<string, string>> {
  let lines = new Map<string, string>();
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    if (colon <= 0) continue;
    const key = line.slice(0, colon);
    if (key === 'State') {
      yield lines;
      lines = new Map();
    }
    if (!lines.has(key)) lines.set(key, line.slice(colon + 1).trim());
  }
  yield lines;
}

function threadOf(tid: number, lines: ReadonlyMap<string, string>): ThreadObservation {
  return {
    tid,
    dead: /^[ZX]/.test(lines.get('State') ?? ''),
    uid: fourIds(lines.get('Uid')),
    gid: fourIds(lines.get('Gid')),
    groups: numbers(lines.get('Groups')),
    capabilities: Object.fromEntries(
      capabilitySets.map((set) => [set, hexadecimal(lines.get(set))]),
    ) as Record<CapabilitySet, string | undefined>,
    noNewPrivs: digits(lines.get('NoNewPrivs')),
    seccomp: digits(lines.get('Seccomp')),
    seccompFilters: digits(lines.get('Seccomp_filters')),
  };
}

function fourIds(text: string | undefined): FourIds | undefined {
  const [real, effective, saved, fileSystem, ...rest] = numbers(text) ?? [];
  if (real === undefined || effective === undefined || saved === undefined || fileSystem === undefined)
    return undefined;
  return rest.length > 0 ? undefined : [real, effective, saved, fileSystem];
}

function numbers(text: string | undefined): readonly number[] | undefined {
  if (text === undefined) return undefined;
  const words = text.split(/[ \t]+/).filter((part) => part !== '');
  const values = words.map(digits);
  return values.every((value) => value !== undefined) ? values : undefined;
}

function hexadecimal(text: string | undefined): string | undefined {
  return text !== undefined && /^[0-9a-f]{1,32}$/.test(text) ? text : undefined;
}

/** Parent and start time; a process may put anything into its name, so fields count from the last parenthesis. */
export function parseStat(
  text: string,
): { readonly parentPid: number; readonly startTimeTicks: number } | undefined {
  const fields = text
    .slice(text.lastIndexOf(')') + 2)
    .trim()
    .split(' ');
  const parentPid = digits(fields[1]);
  const startTimeTicks = digits(fields[19]);
  return parentPid === undefined || startTimeTicks === undefined ? undefined : { parentPid, startTimeTicks };
}

/** Path of a process's cgroup in the hierarchy that systemd manages: version 2, or on older hosts the named one of version 1. */
export function parseCgroup(text: string | undefined): string | undefined {
  const named = /^\d+:name=systemd:(\/.*)$/m.exec(text ?? '')?.[1];
  const unified = /^0::(\/.*)$/m.exec(text ?? '')?.[1];
  // On a host with both, a version 2 hierarchy without systemd's processes shows the root.
  return unified !== undefined && unified !== '/' ? unified : (named ?? unified);
}

const limitLine = /^(Max [a-z ]+?) {2,}(unlimited|\d{1,20}) +(unlimited|\d{1,20})(?: |$)/;

export function parseLimits(text: string): Readonly<Record<string, LimitObservation>> {
  const limits: Record<string, LimitObservation> = {};
  for (const line of text.split('\n')) {
    const [, label, soft, hard] = limitLine.exec(line) ?? [];
    if (label !== undefined && soft !== undefined && hard !== undefined) {
      limits[label] = { soft: limit(soft), hard: limit(hard) };
    }
  }
  return limits;
}

function limit(text: string): number {
  return text === 'unlimited' ? Number.POSITIVE_INFINITY : Number(text);
}

/** Fields after the path, as the section's `stat` prints them. */
export function parseFile(fields: readonly string[] | undefined): FileObservation | undefined {
  if (fields === undefined) return undefined;
  const [device, inode, mode, uid, gid, major, minor] = fields;
  const file = {
    device: digits(device),
    inode: digits(inode),
    mode: hexNumber(mode),
    uid: digits(uid),
    gid: digits(gid),
    deviceMajor: hexNumber(major),
    deviceMinor: hexNumber(minor),
  };
  return Object.values(file).every((value) => value !== undefined) ? (file as FileObservation) : undefined;
}

function hexNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^[0-9a-f]{1,8}$/.test(text) ? Number.parseInt(text, 16) : undefined;
}

/** `systemctl show` of several units: blocks of KEY=VALUE, by the unit's Id. */
export function parseUnits(text: string): ReadonlyMap<string, UnitObservation> {
  const units = new Map<string, UnitObservation>();
  for (const block of text.split('\n\n')) {
    const values = new Map<string, string>();
    for (const line of block.split('\n')) {
      const equals = line.indexOf('=');
      if (equals > 0) values.set(line.slice(0, equals), line.slice(equals + 1));
    }
    const id = values.get('Id');
    if (id !== undefined)
      units.set(
        id,
        unit((key) => values.get(key) ?? ''),
      );
  }
  return units;
}

function unit(value: (key: string) => string): UnitObservation {
  return {
    activeState: value('ActiveState'),
    subState: value('SubState'),
    result: value('Result'),
    mainPid: digits(value('MainPID')) ?? 0,
    execMainCode: value('ExecMainCode'),
    execMainStatus: value('ExecMainStatus'),
    restarts: digits(value('NRestarts')) ?? 0,
    loadState: value('LoadState'),
    fragmentPath: value('FragmentPath'),
    dropInPaths: value('DropInPaths'),
    needDaemonReload: value('NeedDaemonReload') === 'yes',
    controlGroup: value('ControlGroup'),
  };
}
