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
}
