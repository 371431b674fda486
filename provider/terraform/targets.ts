import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import type { Identity, Target } from '../connect/target.ts';
import { identitiesOf } from '../executor/targets.ts';
import type { HostEntry } from '../spec/fleet.ts';
import type { JsonValue, PrivateState } from '../tfplugin/types.ts';

const rememberedSchema = z.object({
  fleet: z.string(),
  connection: z.enum(['ssh2', 'local']),
  sudo: z.boolean(),
  address: z.string().optional(),
  port: z.number().optional(),
  user: z.string().optional(),
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
      port: target.port,
      user: target.user,
      ...(target.trust.kind === 'pinned'
        ? { hostKeys: target.trust.publicKeys }
        : { knownHostsFiles: target.trust.files }),
      keyFiles: target.identities.flatMap((one) => (one.kind === 'key-file' ? [one.path] : [])),
    },
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
