import { failure, problem, type Result, success } from '../../model/diagnostic.ts';
import { namePattern } from '../../model/names.ts';
import { defaultRoots, type HostRoots, unitTemplatePath } from '../../model/paths.ts';
import { parseQemuCapabilities } from '../../toolstacks/qemu/capabilities.ts';
import type { HostCapabilities, QemuCapabilities } from '../../toolstacks/qemu/capabilities.types.ts';
import { parseXen } from '../../toolstacks/xl/probe.ts';
import { profilePath } from '../../jail/lsm-profile.ts';
import { parseGrepped } from '../shared/records.ts';
import { parseApparmor } from './apparmor.ts';
import { readStoredPath } from './desired.ts';
import type { FileFacts, HostFacts, HostOwner, LoggerFacts, OperatingSystem } from './facts.ts';
import { requiredPrograms } from './programs.ts';

/** Reads what `hostSection` printed. */
export function parseHost(bytes: Uint8Array, roots: HostRoots = defaultRoots): Result<HostFacts> {
  const answers = pairs(bytes);
  if (answers === undefined) {
    return failure(
      problem('observation-malformed', 'the observation of the host is cut or malformed', {
        hint: 'Run again. If it stays, look at the host: something other than Stockade answers there.',
      }),
    );
  }
  const { single, many, qemus } = answers;
  const grepped = parseGrepped(single.get('records') ?? '', `${roots.state}/`);
  const record = grepped.records.get('host');
  const files = fileLines(single.get('files') ?? '');
  const template = files.get(unitTemplatePath);
  const sha256 = /^[0-9a-f]{64}/.exec(single.get('template') ?? '')?.[0] ?? '';
  const profile = files.get(profilePath);
  for (const path of [unitTemplatePath, profilePath]) files.delete(path);
  return success({
    capabilities: machineOf(single, many, qemus.get('')),
    qemus,
    operatingSystem: systemOf(single.get('os') ?? ''),
    record: record === undefined ? undefined : { generation: record.generation },
    owners: ownersOf(grepped.records),
    damaged: grepped.damaged,
    directories: files,
    unitTemplate: template === undefined ? undefined : { ...template, sha256 },
    foreignUnitFiles: (many.get('foreign') ?? []).slice(0, 64),
    reloadPending: single.has('reload'),
    logger: loggerOf(single.get('logger') ?? ''),
    apparmor: parseApparmor(single, many, profile),
    guests: guestsOf(single.get('guests') ?? '', `${roots.state}/guests/`),
    userSets: (many.get('set') ?? []).flatMap((path) => setOf(path, `${roots.state}/users/`)),
  });
}

interface Answers {
  readonly single: ReadonlyMap<string, string>;
  readonly many: ReadonlyMap<string, readonly string[]>;
  readonly qemus: ReadonlyMap<string, QemuCapabilities>;
}

const qemuNames = new Set([
  'identity',
  'sandbox',
  'version',
  'help',
  'machines',
  'accelerators',
  'devices',
  'objects',
  'kvm',
]);

/** Pairs of NUL-terminated words, the last of them `end`; those of a QEMU follow its `asked`. */
function pairs(bytes: Uint8Array): Answers | undefined {
  const tokens = Buffer.from(bytes).toString('utf8').split('\0');
  if (tokens.length % 2 !== 1 || tokens.at(-1) !== '' || tokens.at(-3) !== 'end') return undefined;
  const single = new Map<string, string>();
  const many = new Map<string, string[]>();
  const asked = new Map<string, Map<string, string>>();
  let qemu: Map<string, string> = new Map();
  for (let at = 0; at + 1 < tokens.length; at += 2) {
    const [name = '', value = ''] = [tokens[at], tokens[at + 1]];
    if (name === 'asked') {
      qemu = new Map<string, string>();
      asked.set(value, qemu);
    } else if (qemuNames.has(name)) qemu.set(name, value);
    else {
      single.set(name, value);
      many.set(name, [...(many.get(name) ?? []), value]);
    }
  }
  const qemus = new Map<string, QemuCapabilities>();
  for (const [path, of] of asked) {
    const parsed = parseQemuCapabilities(of);
    if (parsed !== undefined) qemus.set(path, parsed);
  }
  return { single, many, qemus };
}

function machineOf(
  single: ReadonlyMap<string, string>,
  many: ReadonlyMap<string, readonly string[]>,
  qemu: QemuCapabilities | undefined,
): HostCapabilities {
  const version = /^systemd (\d{1,4})/.exec(single.get('systemd') ?? '')?.[1];
  const missing = new Set(many.get('missing') ?? []);
  const cgroup = single.get('cgroup');
  return {
    qemu,
    kernel: single.get('kernel') ?? '',
    bootId: single.get('boot') ?? '',
    supervisor: version === undefined ? { kind: 'none' } : { kind: 'systemd', version: Number(version) },
    missingPrograms: requiredPrograms.filter((name) => missing.has(name)),
    virtiofsd: virtiofsdOf(single),
    proxyHelper: single.get('proxy'),
    cgroupVersion: cgroup === '2' ? 2 : cgroup === '1' ? 1 : undefined,
    cgroupControllers: names(single.get('controllers') ?? '', ' '),
    lsm: names(single.get('lsm') ?? '', ','),
    apparmorParser: single.get('apparmor-parser'),
    xen: parseXen(many),
  };
}

/** The C one calls itself `virtiofsd version 7.2.22 (Debian ...)` or names its FUSE protocol; the Rust one `virtiofsd 1.13.2`. */
function virtiofsdOf(single: ReadonlyMap<string, string>): HostCapabilities['virtiofsd'] {
  const path = single.get('virtiofsd');
  if (path === undefined) return undefined;
  const isRust = /^virtiofsd \d/m.test(single.get('virtiofsd-version') ?? '');
  const translatesIds = isRust && (single.get('virtiofsd-help') ?? '').includes('--translate-uid');
  return { path, kind: isRust ? 'rust' : 'c', translatesIds };
}

function names(text: string, separator: string): readonly string[] {
  return text.split(separator).filter((name) => /^[a-z0-9_]{1,32}$/.test(name));
}

function systemOf(text: string): OperatingSystem {
  const value = (key: string) => {
    const found = new RegExp(`^${key}=(["']?)([\\x20-\\x7e]{0,200}?)\\1$`, 'm').exec(text);
    return found?.[2] ?? '';
  };
  return { id: value('ID'), like: value('ID_LIKE'), name: value('PRETTY_NAME') };
}

function ownersOf(records: ReturnType<typeof parseGrepped>['records']): ReadonlyMap<string, HostOwner> {
  const owners = new Map<string, HostOwner>();
  for (const [path, record] of records) {
    if (path !== `owners/${record.owner}`) continue;
    const { generation, digest } = record;
    owners.set(record.owner, {
      generation,
      digest,
      qemuBinary: readStoredPath(record.values.get('qemu_binary')),
      toolstack: record.values.get('toolstack') === 'xl' ? 'xl' : 'qemu',
    });
  }
  return owners;
}

/** `stat -c '%f %u %g %n'`: raw mode in hexadecimal, owner, group, path. */
function fileLines(text: string): Map<string, FileFacts> {
  const files = new Map<string, FileFacts>();
  for (const line of text.split('\n')) {
    const match = /^([0-9a-f]{1,8}) (\d{1,10}) (\d{1,10}) (\/.*)$/.exec(line);
    if (match === null) continue;
    const [, raw = '', uid, gid, path = ''] = match;
    const bits = Number.parseInt(raw, 16);
    files.set(path, { type: typeOf(bits), mode: bits & 0o7777, uid: Number(uid), gid: Number(gid) });
  }
  return files;
}

function typeOf(bits: number): FileFacts['type'] {
  switch (bits & 0o170000) {
    case 0o040000:
      return 'directory';
    case 0o100000:
      return 'file';
    case 0o120000:
      return 'link';
    default:
      return 'other';
  }
}

function loggerOf(text: string): LoggerFacts | undefined {
  const rows = text.split('\n').map((row) => row.split(':'));
  const [passwd, group, shadow] = ['passwd', 'group', 'shadow'].map((tag) =>
    rows.find((row) => row[0] === tag),
  );
  if (passwd === undefined) return undefined;
  const id = (part: string | undefined) =>
    part !== undefined && /^\d{1,10}$/.test(part) ? Number(part) : undefined;
  return {
    uid: id(passwd[1]),
    gid: id(passwd[2]),
    home: passwd[3] ?? '',
    shell: passwd[4] ?? '',
    locked: shadow?.[1] === 'locked',
    groupGid: id(group?.[1]),
  };
}

function guestsOf(text: string, prefix: string): HostFacts['guests'] {
  return text.split('\n').flatMap((line) => {
    const match = line.startsWith(prefix)
      ? /^([a-z0-9-]+)\/record:owner ([a-z0-9-]+)$/.exec(line.slice(prefix.length))
      : null;
    return match?.[1] === undefined || match[2] === undefined ? [] : [{ guest: match[1], owner: match[2] }];
  });
}

function setOf(path: string, prefix: string): HostFacts['userSets'] {
  const match = path.startsWith(prefix) ? /^([a-z-]+)\.owners\/(.+)$/.exec(path.slice(prefix.length)) : null;
  if (match?.[1] === undefined || match[2] === undefined || !namePattern.test(match[2])) return [];
  return [{ scheme: match[1], owner: match[2] }];
}
