import { rename, writeFile } from 'node:fs/promises';
import { problem } from '../../model/diagnostic.ts';
import { fileTrouble } from '../../model/system-error.ts';
import { type Context, fail } from './common.ts';

/** Writes a file as a whole, for its owner alone: it says much about hosts. A failure is shown and ends the program as one. */
export async function writeFileFor(context: Context, path: string, content: string): Promise<void> {
  try {
    await writeFile(`${path}.new`, content, { mode: 0o600 });
    await rename(`${path}.new`, path);
  } catch (error) {
    fail(context, [
      problem('file-unwritable', `${path} could not be written: ${fileTrouble(error)}`, {
        hint: 'Name a file in a directory of yours.',
      }),
    ]);
  }
}
