import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import type { Identity, OpensshTarget, OpensshTrust, SshTarget, Target } from '../connect/target.ts';
import { identitiesOf } from '../executor/targets.ts';
import type { HostEntry } from '../spec/fleet.ts';
import type { JsonValue, PrivateState } from '../tfplugin/types.ts';

const rememberedSchema = z.object({
  fleet: z.string(),
  connection: z.enum(['ssh2', 'openssh', 'local']),
  sudo: z.boolean(),
  address: z.string().optional(),
  port: z.number().optional(),
  user: z.string().optional(),
  proxyJump: z.string().optional(),
  configFile: z.string().optional(),
  certificateFile: z.string().optional(),
  hostKeys: z.array(z.string()).optional(),
  knownHostsFiles: z.array(z.string()).optional(),
  keyFiles: z.array(z.string()).optional(),
});

/** How a host was reached and who owned what was made there: enough to destroy it, and no secret. */
export type Remembered = z.output<typeof rememberedSchema>;

/** What a resource keeps in its private state, for the day its host has left the inventory. */
export function remember(fleet: string, target: Target): PrivateState {
  const common: Record<string, JsonValue> = {
    fleet,
    connection: target.connection,
    sudo: target.sudo,
  };
  if (target.connection === 'local') return { host: common };
  return {
    host: {
      ...common,
      address: target.address,
      ...(target.port === undefined ? {} : { port: target.port }),
      ...(target.user === undefined ? {} : { user: target.user }),
      ...(target.connection === 'openssh' ? configurationOf(target) : {}),
      ...trustOf(target.trust),
      ...(isLeftToSsh(target)
        ? {}
        : { keyFiles: target.identities.flatMap((one) => (one.kind === 'key-file' ? [one.path] : [])) }),
    },
  };
}

/** Who logs in with what is in ssh's own configuration. */
function isLeftToSsh(target: SshTarget | OpensshTarget): boolean {
  return target.connection === 'openssh' && target.identities.length === 0;
}

function configurationOf({
  proxyJump,
  configFile,
  certificateFile,
}: OpensshTarget): Record<string, JsonValue> {
  return {
    ...(proxyJump === undefined ? {} : { proxyJump }),
    ...(configFile === undefined ? {} : { configFile }),
    ...(certificateFile === undefined ? {} : { certificateFile }),
  };
}

function trustOf(trust: OpensshTrust): Record<string, JsonValue> {
  if (trust.kind === 'ssh-config') return {};
  return {
    ...(trust.kind === 'pinned' ? { hostKeys: trust.publicKeys } : {}),
    ...(trust.files === undefined ? {} : { knownHostsFiles: trust.files }),
  };
}

/** What `remember` kept; `undefined` where there is nothing (an imported resource that was never read). */
export function remembered(state: PrivateState): Remembered | undefined {
  const parsed = rememberedSchema.safeParse(state['host']);
  return parsed.success ? parsed.data : undefined;
}

/**
 * The way to a host that has left the inventory. Its address and key are those of old; to log in, the key file of old
 * is tried, then what the remaining entries log in with, then the SSH agent and the user's own key.
 */
export function rememberedTarget(host: string, memory: Remembered, others: readonly HostEntry[]): Target {
  if (memory.connection === 'local') return { connection: 'local', host, sudo: memory.sudo };
  if (memory.connection === 'openssh') return rememberedOpenssh(host, memory, others);
  return {
    connection: 'ssh2',
    host,
    address: memory.address ?? host,
    port: memory.port ?? 22,
    user: memory.user ?? 'root',
    trust:
      memory.hostKeys === undefined
        ? { kind: 'known-hosts', files: memory.knownHostsFiles ?? [] }
        : { kind: 'pinned', publicKeys: memory.hostKeys },
    identities: fallbackIdentities(memory, others),
    sudo: memory.sudo,
    connectTimeoutSeconds: 15,
  };
}

/** Whoever logged in with what is in ssh's configuration does so again. */
function rememberedOpenssh(host: string, memory: Remembered, others: readonly HostEntry[]): OpensshTarget {
  const { address = host, port, user, proxyJump, configFile, certificateFile } = memory;
  return {
    connection: 'openssh',
    host,
    address,
    ...(port === undefined ? {} : { port }),
    ...(user === undefined ? {} : { user }),
    ...(proxyJump === undefined ? {} : { proxyJump }),
    ...(configFile === undefined ? {} : { configFile }),
    ...(certificateFile === undefined ? {} : { certificateFile }),
    trust: rememberedTrust(memory),
    identities: memory.keyFiles === undefined ? [] : fallbackIdentities(memory, others),
    sudo: memory.sudo,
    connectTimeoutSeconds: 15,
  };
}

function rememberedTrust({ hostKeys, knownHostsFiles }: Remembered): OpensshTrust {
  const files = knownHostsFiles === undefined ? {} : { files: knownHostsFiles };
  if (hostKeys !== undefined) return { kind: 'pinned', publicKeys: hostKeys, ...files };
  return knownHostsFiles === undefined
    ? { kind: 'ssh-config' }
    : { kind: 'known-hosts', files: knownHostsFiles };
}

function fallbackIdentities(memory: Remembered, others: readonly HostEntry[]): readonly Identity[] {
  const known = others.flatMap(identitiesOf);
  const oldFiles = (memory.keyFiles ?? []).filter(
    (path) => !known.some((one) => one.kind === 'key-file' && one.path === path),
  );
  const all: readonly Identity[] = [
    ...known,
    ...oldFiles.map((path) => ({ kind: 'key-file' as const, path })),
    { kind: 'agent' },
    { kind: 'key-file', path: join(homedir(), '.ssh', 'id_ed25519') },
  ];
  const seen = new Set<string>();
  return all.filter((one) => {
    const mark =
      one.kind === 'key-file'
        ? `file ${one.path}`
        : one.kind === 'agent'
          ? `agent ${one.socket ?? ''}`
          : `key ${one.privateKey.reveal()}`;
    return !seen.has(mark) && seen.add(mark) !== undefined;
  });
}
