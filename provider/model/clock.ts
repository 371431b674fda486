/** Passed in wherever time or chance matters, so that tests decide. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
}

export const systemClock: Clock = { now: () => Date.now() };

/** Gives a fresh random token of lower-case hex digits (at least 128 bits). */
export type TokenSource = () => string;
