import type { Diagnostic, Result } from '../model/diagnostic.ts';

/** How often and how patiently a connection is tried again. Nothing that may have reached the host is ever sent twice. */
export interface RetryPolicy {
  /** Tries in all. @default 3 */
  readonly attempts: number;
  /** The longest wait before the second try; each further one is at most twice as long. @default 500 */
  readonly baseMilliseconds: number;
  /** No wait is longer. @default 8000 */
  readonly maxMilliseconds: number;
  /** From 0 to 1: the waits of many hosts must not fall together. */
  readonly random: () => number;
  readonly sleep: (milliseconds: number) => Promise<void>;
}

export const defaultRetryPolicy: RetryPolicy = {
  attempts: 3,
  baseMilliseconds: 500,
  maxMilliseconds: 8000,
  random: Math.random,
  sleep: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
};

/** What may pass by itself. A wrong host key, a refused login or missing sudo do not. */
const passing = new Set(['host-unreachable', 'connection-lost', 'channel-refused']);

function isPassing(diagnostics: readonly Diagnostic[]): boolean {
  return diagnostics.length > 0 && diagnostics.every(({ code }) => passing.has(code));
}

/** Waits before the try after `attempt` (from 1): between half and the whole of a bound that doubles. */
function waitAfter(attempt: number, policy: RetryPolicy): number {
  const bound = Math.min(policy.maxMilliseconds, policy.baseMilliseconds * 2 ** (attempt - 1));
  return Math.round((bound * (1 + policy.random())) / 2);
}

/**
 * Calls until it works, the failure is one that does not pass, or the tries are used up. `mayHaveStarted` ends it too: the
 * host may be at work then.
 */
export async function withRetry<T>(
  policy: RetryPolicy,
  call: () => Promise<{ readonly result: Result<T>; readonly mayHaveStarted: boolean }>,
): Promise<Result<T>> {
  for (let attempt = 1; ; attempt++) {
    const { result, mayHaveStarted } = await call();
    if (result.ok || mayHaveStarted || attempt >= policy.attempts || !isPassing(result.diagnostics))
      return result;
    await policy.sleep(waitAfter(attempt, policy));
  }
}
