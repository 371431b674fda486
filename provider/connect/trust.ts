import { readFile, stat } from 'node:fs/promises';
import { caution, failure, problem, success, type Diagnostic, type Result } from '../model/diagnostic.ts';
import { type Destination, hostKeyChanged, hostKeyRevoked, hostKeyUnknown } from './diagnostics.ts';
import { fingerprint, parsePublicKeyLine, sameKey, type PublicKey } from './keys.ts';
import {
  judgeHostKey,
  knownKeyTypes,
  mergeKnownHosts,
  noKnownHosts,
  parseKnownHosts,
  type KnownHosts,
} from './known_hosts.ts';
import { expandHome, systemReason } from './paths.ts';
import type { HostTrust } from './target.ts';

/** Decides about the key a host presents. `undefined`: it is trusted. */
export interface HostKeyJudge {
  judge(key: PublicKey): Diagnostic | undefined;
  /** Key types to ask the host for first. */
  readonly knownTypes: ReadonlySet<string>;
  /** Lines and files that could not be read: they trust nothing, and the user should know. */
  readonly warnings: readonly Diagnostic[];
}

const maximumFileBytes = 32 * 1024 * 1024;

/** Prepares the check of a host's key from what is known of it; reads the known_hosts files now. */
export async function loadTrust(target: Destination, trust: HostTrust): Promise<Result<HostKeyJudge>> {
  return trust.kind === 'pinned'
    ? pinned(target, trust.publicKeys)
    : await fromKnownHosts(target, trust.files);
}

function pinned(target: Destination, publicKeys: readonly string[]): Result<HostKeyJudge> {
  const keys: PublicKey[] = [];
  for (const line of publicKeys) {
    const parsed = parsePublicKeyLine(line);
    if (!parsed.ok) return failure(badPinnedKey(target, line, parsed.reason));
    keys.push(parsed.key);
  }
  if (keys.length === 0) return failure(badPinnedKey(target, '', 'no key is given'));
  return success({
    knownTypes: new Set(keys.map((key) => key.type)),
    warnings: [],
    judge: (key) => {
      if (keys.some((pinnedKey) => sameKey(pinnedKey, key))) return undefined;
      const wanted = keys.map((pinnedKey) => `the pinned ${pinnedKey.type} key ${fingerprint(pinnedKey)}`);
      return hostKeyChanged(target, key, wanted);
    },
  });
}

function badPinnedKey(target: Destination, line: string, reason: string): Diagnostic {
  return problem('host-key-malformed', `the pinned key of host ${target.host} cannot be read: ${reason}`, {
    ...(line === '' ? {} : { detail: JSON.stringify(line.slice(0, 120)) }),
    hint: "Give the host's public key in OpenSSH form, as in its /etc/ssh/ssh_host_ed25519_key.pub: `ssh-ed25519 AAAA…`.",
    host: target.host,
  });
}

async function fromKnownHosts(target: Destination, files: readonly string[]): Promise<Result<HostKeyJudge>> {
  const read = await Promise.all(files.map((file) => readKnownHosts(file, target.host)));
  const known = mergeKnownHosts(read.map(({ hosts }) => hosts));
  const warnings = [
    ...read.flatMap(({ warning }) => (warning ? [warning] : [])),
    ...known.malformed.map(({ file, line, reason }) =>
      caution('known-hosts-malformed', `${file}:${line}: ${reason}`, {
        hint: 'Mend or remove the line; until then it trusts nothing.',
        host: target.host,
        source: { file, line, column: 1 },
      }),
    ),
  ];
  return success({
    knownTypes: knownKeyTypes(known, target.address, target.port),
    warnings,
    judge: (key) => {
      const verdict = judgeHostKey(known, target.address, target.port, key);
      switch (verdict.kind) {
        case 'trusted':
          return undefined;
        case 'revoked':
          return hostKeyRevoked(target, key, verdict.entry);
        case 'changed':
          return hostKeyChanged(
            target,
            key,
            verdict.entries.map(
              (entry) => `${entry.file}:${entry.line}: ${entry.key.type} ${fingerprint(entry.key)}`,
            ),
          );
        case 'unknown':
          return hostKeyUnknown(target, key, files, verdict.others, warnings);
      }
    },
  });
}

/** A file that is not there knows no host, which is normal; any other trouble is told. */
async function readKnownHosts(
  file: string,
  host: string,
): Promise<{ readonly hosts: KnownHosts; readonly warning?: Diagnostic }> {
  const path = expandHome(file);
  try {
    const { size } = await stat(path);
    if (size > maximumFileBytes) throw new Error(`larger than ${maximumFileBytes} bytes`);
    return { hosts: parseKnownHosts(file, await readFile(path, 'utf8')) };
  } catch (error) {
    const warning = caution('known-hosts-unreadable', `${file} cannot be read: ${systemReason(error)}`, {
      hint: "Name a file in OpenSSH's known_hosts format, or pin the host's key.",
      host,
    });
    return { hosts: noKnownHosts, warning };
  }
}
