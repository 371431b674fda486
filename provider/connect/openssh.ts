import type { Connection } from './connection.ts';
import { connectOver, type ConnectionDeps } from './multiplexed.ts';
import { dialOpenssh } from './openssh/dial.ts';
import type { OpensshTarget } from './target.ts';

/** One host by the ssh program of this machine, with its configuration. The program is started at the first command. */
export function connectOpenssh(target: OpensshTarget, deps: ConnectionDeps): Connection {
  return connectOver(target, deps, () => dialOpenssh(target));
}
