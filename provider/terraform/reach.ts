import type { HostSnapshot } from '../engine/snapshot.ts';
import type { Written } from '../executor/fleet.ts';
import type { WriteOptions } from '../executor/session.types.ts';
import type { Diagnostic, Result } from '../model/diagnostic.ts';
import type { Operation } from '../model/operation.ts';
import type { PrivateState, TerraformValue } from '../tfplugin/types.ts';

/** One host, ready to be asked. */
export interface HostAccess {
  readonly host: string;
  /** The owner of what is made there; of a resource that remembers one, that. */
  readonly fleet: string;
  /** What a resource on it keeps, for the day the host has left the inventory. */
  readonly memory: PrivateState;
  /**
   * The whole host in one round trip; the answer is kept until something is written. `binaries`: QEMUs to ask beside those
   * that the host knows of. `sources`: directories that guests share; looked at once, together with others asked for at that moment.
   */
  observe(binaries?: readonly string[], sources?: readonly string[]): Promise<Result<HostSnapshot>>;
  /** Runs the operations with those of other resources that come at the same moment. A failure means that nothing began. */
  write(operations: readonly Operation[], options?: WriteOptions): Promise<Result<Written>>;
  /** Makes the next `observe` look again. */
  forget(): void;
}

/** Whether a resource's host can be asked. */
export type Reach =
  | { readonly kind: 'ready'; readonly access: HostAccess }
  /** The provider's configuration, or the host's name, depends on what only Apply will know. */
  | { readonly kind: 'not-known-yet' }
  /** Not in the inventory; and nothing is remembered of it. */
  | { readonly kind: 'absent'; readonly diagnostic: Diagnostic };

/** The way from resources to their hosts. */
export interface Hosts {
  /** The owner by the provider's configuration; `undefined` while not known. */
  readonly fleet: string | undefined;
  readonly unreachable: 'error' | 'keep';
  /** @param memory the resource's private state; with it, a host that left the inventory is still reached */
  reach(host: TerraformValue, memory?: PrivateState): Reach;
}
