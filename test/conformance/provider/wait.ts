import { setTimeout as sleep } from 'node:timers/promises';
import type { TerraformValue } from '../../../provider/tfplugin/index.ts';

const FOREVER_MS = 60_000;
const PAUSE_MS = 1000;

/** A creation that takes its time. Says why it gave up; `undefined`: it did not. */
export async function wait(
  behaviour: TerraformValue | undefined,
  timeoutMs: number | undefined,
  signal: AbortSignal,
): Promise<'timed out' | 'cancelled' | undefined> {
  if (behaviour !== 'slow' && behaviour !== 'crash' && behaviour !== 'pause') return undefined;
  const deadline = timeoutMs === undefined ? [] : [AbortSignal.timeout(timeoutMs)];
  try {
    await sleep(behaviour === 'pause' ? PAUSE_MS : FOREVER_MS, undefined, {
      signal: AbortSignal.any([signal, ...deadline]),
    });
    return undefined;
  } catch {
    return signal.aborted ? 'cancelled' : 'timed out';
  }
}
