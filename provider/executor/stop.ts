import type { Connection } from '../connect/connection.ts';
import type { HostRoots } from '../model/paths.ts';
import type { Operation, OperationResult } from '../model/operation.ts';
import { type ShellText, sh, word } from '../model/shell.ts';

/** Tells a batch that runs on the host to begin no more steps. Fails while it waits for the host's lock: it has no directory yet. */
function stopCommand(roots: HostRoots, nonce: string): ShellText {
  return sh`: >${word(`${roots.run}.batch-${nonce}/stop`)}`;
}

/** What is told of a step that was not begun. */
export const stoppedText = 'it was not begun: a stop was asked for';

/** The result of a step that was called off before it was sent: as the host would have told it. */
export function calledOff({ id }: Operation): OperationResult {
  return {
    ...{ id, status: 'refused', values: {}, code: 'stopped', message: stoppedText },
    ...{ output: '', milliseconds: 0 },
  };
}

const betweenTriesMilliseconds = 300;

/**
 * Asks over a channel of its own, again and again until the batch has heard it, or is over. What comes of it is in the batch's
 * results: steps that were not begun are `refused` with the code `stopped`.
 */
export async function askToStop(
  connection: Connection,
  batch: { readonly roots: HostRoots; readonly nonce: string; readonly isOver: () => boolean },
): Promise<void> {
  while (!batch.isOver()) {
    const asked = await connection.exec(stopCommand(batch.roots, batch.nonce), {
      timeoutSeconds: 20,
      maxStdoutBytes: 4096,
    });
    if (asked.ok && asked.value.exitCode === 0) return;
    await new Promise((resolve) => setTimeout(resolve, betweenTriesMilliseconds));
  }
}
