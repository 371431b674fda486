import { homedir } from 'node:os';
import { join } from 'node:path';

/** `~/x` is below the home directory, as in ssh's own configuration; any other path is left as it is. */
export function expandHome(path: string): string {
  return path.startsWith('~/') ? join(homedir(), path.slice(2)) : path;
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied',
  EISDIR: 'it is a directory',
  ENOTDIR: 'a part of its path is not a directory',
};

/** The `code` of a Node system error, or nothing. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** What went wrong with a file, in words. */
export function systemReason(error: unknown): string {
  const code = systemCode(error);
  return (code === undefined ? undefined : reasons[code]) ?? messageOf(error);
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
