import type { Connection } from './connection.ts';
import { dial } from './dial.ts';
import { connectOver, type ConnectionDeps } from './multiplexed.ts';
import type { SshTarget } from './target.ts';

/** One host by the built-in SSH client. The ssh2 package is loaded at the first command, and the connection made then. */
export function connectSsh(target: SshTarget, deps: ConnectionDeps): Connection {
  return connectOver(target, deps, () => dial(target));
}
