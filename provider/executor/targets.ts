import type { HostTrust, Identity, OpensshTarget, OpensshTrust, Target } from '../connect/target.ts';
import { Redacted } from '../model/redacted.ts';
import type { HostEntry } from '../spec/fleet.ts';

/** An inventory entry as the connection takes it. */
export function targetOf(host: string, entry: HostEntry): Target {
  if (entry.connection === 'local') return { connection: 'local', host, sudo: entry.sudo };
  if (entry.connection === 'openssh') return opensshTarget(host, entry);
  return {
    connection: 'ssh2',
    host,
    address: entry.address ?? host,
    port: entry.port ?? 22,
    user: entry.user ?? 'root',
    trust: trustOf(entry),
    identities: identitiesOf(entry),
    sudo: entry.sudo,
    connectTimeoutSeconds: entry.connectTimeoutSeconds,
  };
}

function opensshTarget(host: string, entry: HostEntry): OpensshTarget {
  const { port, user, proxyJump, sshConfigFile, certificateFile } = entry;
  return {
    connection: 'openssh',
    host,
    address: entry.address ?? host,
    ...(port === undefined ? {} : { port }),
    ...(user === undefined ? {} : { user }),
    ...(proxyJump === undefined ? {} : { proxyJump }),
    ...(sshConfigFile === undefined ? {} : { configFile: sshConfigFile }),
    ...(certificateFile === undefined ? {} : { certificateFile }),
    trust: opensshTrust(entry),
    identities: identitiesOf(entry),
    sudo: entry.sudo,
    connectTimeoutSeconds: entry.connectTimeoutSeconds,
  };
}

/** A key that is given is the host's; keys of jump hosts are in the file. */
function opensshTrust({ hostKey, knownHostsFile }: HostEntry): OpensshTrust {
  const files = knownHostsFile === undefined ? undefined : [knownHostsFile];
  if (hostKey !== undefined) {
    return {
      kind: 'pinned',
      publicKeys: publicKeyLines(hostKey),
      ...(files === undefined ? {} : { files }),
    };
  }
  return files === undefined ? { kind: 'ssh-config' } : { kind: 'known-hosts', files };
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
