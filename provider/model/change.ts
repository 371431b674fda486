import type { Action, Disruption } from './action.ts';
import type { Address } from './address.ts';

/** Why one field makes the change necessary. Values are already fit to show (secrets redacted). */
export interface FieldReason {
  readonly path: readonly (string | number)[];
  readonly before: string;
  readonly after: string;
  /** What this difference alone would need. */
  readonly disruption: Disruption;
}

/** The difference between what is asked for and what a host shows, for one object. */
export interface Change {
  readonly address: Address;
  readonly action: Action;
  readonly disruption: Disruption;
  readonly reasons: readonly FieldReason[];
  /** Of guests; `undefined`: their isolation stays as it is. */
  readonly isolation?: IsolationChange;
}

/** One thing a guest loses of its isolation or gains of its host, or the reverse of either. */
export interface IsolationLine {
  /** As people say it: `network namespace`, `/dev/vfio/12`, `task limit of 97 (becomes 200)`. */
  readonly what: string;
  /** What follows from it, in a sentence. */
  readonly meaning: string;
  /** The field of the definition it comes from. */
  readonly path: readonly (string | number)[];
  /** Why the host cannot give it, where that is the cause. */
  readonly reason?: string;
}

/** What a change does to a guest's isolation. One that is made anew is compared with full isolation. */
export interface IsolationChange {
  /** Layers that are switched off or missing, limits that are raised. */
  readonly losses: readonly IsolationLine[];
  /** What it may use of its host from now on. */
  readonly gains: readonly IsolationLine[];
  /** The reverse of losses. */
  readonly regained: readonly IsolationLine[];
  /** The reverse of gains. */
  readonly dropped: readonly IsolationLine[];
}
