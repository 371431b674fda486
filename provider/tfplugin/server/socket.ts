import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** The kernel's limit for a socket's path, less its final zero byte. */
const MAX_SOCKET_PATH_BYTES = 107;

export interface PrivateSocket {
  readonly path: string;
  /** Removes the socket and its folder; may be called more than once, and from an exit handler. */
  readonly remove: () => void;
}

/** A socket path in a new folder only we can enter (mode 0700), below the temporary folder. */
export function createPrivateSocket(environment: NodeJS.ProcessEnv): PrivateSocket {
  const parents = [environment['PLUGIN_UNIX_SOCKET_DIR'] || tmpdir(), '/tmp'];
  const parent = parents.find((one) => Buffer.byteLength(one) + 32 <= MAX_SOCKET_PATH_BYTES) ?? '/tmp';
  const folder = mkdtempSync(path.join(parent, 'tfplugin-'));
  return {
    path: path.join(folder, 'provider.sock'),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
