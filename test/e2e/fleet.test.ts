import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import type { SshTarget } from '../../provider/connect/target.ts';
import { Fleet } from '../../provider/executor/fleet.ts';
import { makeKey } from '../lab/seed.ts';

const opened: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0)) await close();
});

/** A host that takes connections and says nothing; counts them. */
async function deadHost(): Promise<{ target: SshTarget; connections: () => number }> {
  let connections = 0;
  const sockets = new Set<{ destroy(): void }>();
  const server = createServer((socket) => {
    connections++;
    sockets.add(socket);
    socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  opened.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const directory = mkdtempSync(join(tmpdir(), 'stockade-fleet-'));
  opened.push(() => rmSync(directory, { recursive: true }));
  await makeKey(join(directory, 'key'), 'ed25519', 'test');
  const target: SshTarget = {
    connection: 'ssh2',
    host: 'dead',
    address: '127.0.0.1',
    port: address.port,
    user: 'root',
    trust: {
      kind: 'pinned',
      publicKeys: ['ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBVpRcSqMS0OsXfqHKqyjNkOyWw4bzpT7FSSFDh4GXzE'],
    },
    identities: [{ kind: 'key-file', path: join(directory, 'key') }],
    sudo: false,
    connectTimeoutSeconds: 1,
  };
  return { target, connections: () => connections };
}

it('the many resources of a dead host wait for it once', async () => {
  const { target, connections } = await deadHost();
  const fleet = new Fleet({
    holder: 'test',
    session: { retry: { attempts: 2, sleep: () => Promise.resolve() } },
  });
  opened.push(() => fleet.close());
  const first = await Promise.all([fleet.observe(target), fleet.observe(target)]);
  expect(first.map((result) => result.ok)).toEqual([false, false]);
  expect(connections()).toBe(2);
  const later = await fleet.observe(target);
  expect(later).toMatchObject({ ok: false, diagnostics: [{ code: 'host-unreachable', host: 'dead' }] });
  expect(connections()).toBe(2);
  fleet.forget('dead');
  await fleet.observe(target);
  expect(connections()).toBe(4);
});
