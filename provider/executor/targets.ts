import type { HostTrust, Identity, Target } from '../connect/target.ts';
import { Redacted } from '../model/redacted.ts';
import type { HostEntry } from '../spec/fleet.ts';

/** An inventory entry as the connection takes it. */
export function targetOf(host: string, entry: HostEntry): Target {
  if (entry.connection === 'local') return { connection: 'local', host, sudo: entry.sudo };
  return {
    connection: 'ssh2',
    host,
    address: entry.address ?? host,
    port: entry.port,
    user: entry.user,
    trust: trustOf(entry),
    identities: identitiesOf(entry),
    sudo: entry.sudo,
    connectTimeoutSeconds: entry.connectTimeoutSeconds,
  };
}

function trustOf(entry: HostEntry): HostTrust {
  return entry.hostKey === undefined
    ? { kind: 'known-hosts', files: entry.knownHostsFile === undefined ? [] : [entry.knownHostsFile] }
    : { kind: 'pinned', publicKeys: publicKeyLines(entry.hostKey) };
}

function publicKeyLines(text: string): readonly string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

/** A given key, then a key file, then the agent. */
export function identitiesOf(entry: HostEntry): readonly Identity[] {
  const passphrase = entry.passphrase === undefined ? {} : { passphrase: new Redacted(entry.passphrase) };
  return [
    ...(entry.privateKey === undefined
      ? []
      : [{ kind: 'key' as const, privateKey: new Redacted(entry.privateKey), ...passphrase }]),
    ...(entry.privateKeyFile === undefined
      ? []
      : [{ kind: 'key-file' as const, path: entry.privateKeyFile, ...passphrase }]),
    ...(entry.agent
      ? [
          {
            kind: 'agent' as const,
            ...(entry.agentSocket === undefined ? {} : { socket: entry.agentSocket }),
          },
        ]
      : []),
  ];
}
