import type { Destination } from '../diagnostics.ts';
import type { OpensshTarget } from '../target.ts';
import type { Told } from './log.ts';

/** A host as messages name it: by what the program's configuration made of the target, as far as it told. */
export function destination(target: OpensshTarget, told?: Told): Destination {
  return {
    host: target.host,
    address: told?.name ?? target.address,
    port: told?.port ?? target.port ?? 22,
    user: told?.user ?? target.user ?? 'root',
  };
}
