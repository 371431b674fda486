import { assertNever } from '../model/assert.ts';
import type { Connection } from './connection.ts';
import { connectLocal } from './local.ts';
import type { ConnectionDeps } from './multiplexed.ts';
import { connectOpenssh } from './openssh.ts';
import { connectSsh } from './ssh2.ts';
import type { Target } from './target.ts';

export type { ConnectionDeps } from './multiplexed.ts';

/** The connection a target asks for. Nothing happens on the network before its first command. */
export function openConnection(target: Target, deps: ConnectionDeps): Connection {
  switch (target.connection) {
    case 'ssh2':
      return connectSsh(target, deps);
    case 'openssh':
      return connectOpenssh(target, deps);
    case 'local':
      return connectLocal(target);
    default:
      return assertNever(target);
  }
}
