import { createHmac, timingSafeEqual } from 'node:crypto';
import { parseKeyWords, sameKey, type PublicKey } from './keys.ts';

/** One line of a known_hosts file that says something about a key. */
export interface HostKeyEntry {
  readonly file: string;
  /** Counts from 1. */
  readonly line: number;
  readonly marker: 'none' | 'revoked' | 'cert-authority';
  readonly hosts: HostPattern;
  readonly key: PublicKey;
}

export type HostPattern =
  | { readonly kind: 'hashed'; readonly salt: Buffer; readonly hash: Buffer }
  /** Comma-separated globs; lower case. One that is negated and matches rules the line out. */
  | {
      readonly kind: 'globs';
      readonly globs: readonly { readonly negated: boolean; readonly glob: string }[];
    };

export interface MalformedLine {
  readonly file: string;
  readonly line: number;
  readonly reason: string;
}

export interface KnownHosts {
  readonly entries: readonly HostKeyEntry[];
  readonly malformed: readonly MalformedLine[];
}

/** What known keys say about the key a host presents. Only `trusted` lets us in. */
export type HostKeyVerdict =
  | { readonly kind: 'trusted'; readonly entry: HostKeyEntry }
  /** `others`: lines about this host with keys of other types, or certificate authorities, which vouch for no plain key. */
  | { readonly kind: 'unknown'; readonly others: readonly HostKeyEntry[] }
  /** Lines about this host with another key of the same type. */
  | { readonly kind: 'changed'; readonly entries: readonly HostKeyEntry[] }
  | { readonly kind: 'revoked'; readonly entry: HostKeyEntry };

const maximumLineLength = 32_768;

/** Reads OpenSSH's known_hosts format (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"). A bad line is reported and trusts nothing. */
export function parseKnownHosts(file: string, text: string): KnownHosts {
  const entries: HostKeyEntry[] = [];
  const malformed: MalformedLine[] = [];
  text.split('\n').forEach((raw, index) => {
    const line = index + 1;
    const content = raw.replace(/\r$/, '').replace(/^[ \t]+|[ \t]+$/g, '');
    if (content === '' || content.startsWith('#')) return;
    const parsed = content.length > maximumLineLength ? 'the line is too long' : parseLine(content);
    if (typeof parsed === 'string') malformed.push({ file, line, reason: parsed });
    else entries.push({ file, line, ...parsed });
  });
  return { entries, malformed };
}

export const noKnownHosts: KnownHosts = { entries: [], malformed: [] };

export function mergeKnownHosts(parts: readonly KnownHosts[]): KnownHosts {
  return {
    entries: parts.flatMap((part) => part.entries),
    malformed: parts.flatMap((part) => part.malformed),
  };
}

function parseLine(content: string): Omit<HostKeyEntry, 'file' | 'line'> | string {
  let fields = content.split(/[ \t]+/);
  let marker: HostKeyEntry['marker'] = 'none';
  if (content.startsWith('@')) {
    const name = fields[0]?.slice(1) ?? '';
    if (name !== 'revoked' && name !== 'cert-authority')
      return `unknown marker ${JSON.stringify(name.slice(0, 40))}`;
    marker = name;
    fields = fields.slice(1);
  }
  const [names, type, base64] = fields;
  if (names === undefined || type === undefined || base64 === undefined) {
    return 'expected host names, a key type and a key';
  }
  const hosts = parsePattern(names);
  if (typeof hosts === 'string') return hosts;
  const key = parseKeyWords(type, base64);
  return key.ok ? { marker, hosts, key: key.key } : key.reason;
}

function parsePattern(names: string): HostPattern | string {
  if (!names.startsWith('|')) {
    const globs = names
      .toLowerCase()
      .split(',')
      .map((name) =>
        name.startsWith('!') ? { negated: true, glob: name.slice(1) } : { negated: false, glob: name },
      );
    return { kind: 'globs', globs };
  }
  const [, version, salt, hash, ...rest] = names.split('|');
  if (version !== '1' || salt === undefined || hash === undefined || rest.length > 0) {
    return 'a hashed host name is `|1|SALT|HASH`';
  }
  const pattern = { salt: Buffer.from(salt, 'base64'), hash: Buffer.from(hash, 'base64') };
  // OpenSSH's salt and hash are both a SHA-1 long; a shorter hash would match more than one name.
  if (pattern.salt.length !== 20 || pattern.hash.length !== 20)
    return 'a hashed host name has 20 bytes of salt and hash';
  return { kind: 'hashed', ...pattern };
}

/** Whether a line's host field covers a name as known_hosts writes it: `host`, or `[host]:port`. */
function matchesHost(pattern: HostPattern, name: string): boolean {
  const host = name.toLowerCase();
  if (pattern.kind === 'hashed') {
    return timingSafeEqual(createHmac('sha1', pattern.salt).update(host).digest(), pattern.hash);
  }
  const hits = pattern.globs.filter(({ glob }) => matchesGlob(glob, host));
  return hits.length > 0 && !hits.some((hit) => hit.negated);
}

/** `*` any run of characters, `?` any one. In time glob × text, however many stars a line has. */
export function matchesGlob(glob: string, text: string): boolean {
  let g = 0;
  let t = 0;
  let star = -1;
  let starText = 0;
  while (t < text.length) {
    if (glob[g] === '*') {
      star = g++;
      starText = t;
    } else if (g < glob.length && (glob[g] === '?' || glob[g] === text[t])) {
      g++;
      t++;
    } else if (star >= 0) {
      g = star + 1;
      t = ++starText;
    } else return false;
  }
  while (glob[g] === '*') g++;
  return g === glob.length;
}

/** The name a host goes by in known_hosts: `host` at port 22, else `[host]:port`. */
export function knownHostsName(address: string, port: number): string {
  return port === 22 ? address : `[${address}]:${port}`;
}

/** Names to look under, best first. As ssh does, a key known for the plain host name is good at any port. */
function lookupNames(address: string, port: number): string[] {
  return [...new Set([knownHostsName(address, port), address])];
}

export function judgeHostKey(
  known: KnownHosts,
  address: string,
  port: number,
  key: PublicKey,
): HostKeyVerdict {
  const names = lookupNames(address, port);
  const about = names.map((name) => known.entries.filter((entry) => matchesHost(entry.hosts, name)));
  const all = about.flat();
  const revoked = all.find((entry) => entry.marker === 'revoked' && sameKey(entry.key, key));
  if (revoked) return { kind: 'revoked', entry: revoked };
  const plain = all.filter((entry) => entry.marker === 'none');
  const trusted = plain.find((entry) => sameKey(entry.key, key));
  if (trusted) return { kind: 'trusted', entry: trusted };
  const changed = (about[0] ?? []).filter((entry) => entry.marker === 'none' && entry.key.type === key.type);
  if (changed.length > 0) return { kind: 'changed', entries: changed };
  return { kind: 'unknown', others: [...new Set(all)].filter((entry) => entry.marker !== 'revoked') };
}

/** The types of the keys known for a host: its server is asked for these first, so that it shows a key we can check. */
export function knownKeyTypes(known: KnownHosts, address: string, port: number): ReadonlySet<string> {
  const names = lookupNames(address, port);
  const entries = known.entries.filter(
    (entry) => entry.marker === 'none' && names.some((name) => matchesHost(entry.hosts, name)),
  );
  return new Set(entries.map((entry) => entry.key.type));
}
