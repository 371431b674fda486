import { homedir } from 'node:os';
import { join } from 'node:path';

export { messageOf, systemCode, systemReason } from '../model/system-error.ts';

/** `~/x` is below the home directory, as in ssh's own configuration; any other path is left as it is. */
export function expandHome(path: string): string {
  return path.startsWith('~/') ? join(homedir(), path.slice(2)) : path;
}
