/** A figure, and what it is held to. */
export interface Limit {
  /** `plan without changes, beyond the start of the process` */
  readonly what: string;
  readonly value: number;
  readonly most: number;
  readonly unit: string;
}

/** Figures beyond their limits, in words. One that is no number was not measured, and is beyond any. */
export function beyond(limits: readonly Limit[]): readonly string[] {
  return limits
    .filter(({ value, most }) => !(value <= most))
    .map(({ what, value, most, unit }) => `${what}: ${value.toFixed(2)} ${unit}, at most ${most}`);
}
