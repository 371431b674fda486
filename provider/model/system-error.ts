const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or directory',
  EACCES: 'permission denied',
  EPERM: 'the system does not permit it',
  EISDIR: 'it is a directory',
  ENOTDIR: 'a part of the path is no directory',
  ELOOP: 'it is a symbolic link to itself',
  EEXIST: 'it exists',
  ENOSPC: 'the disk is full',
  EROFS: 'the file system is read-only',
};

/** The `code` of a Node system error, such as `ENOENT`; `undefined` for any other error. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** What the system said of a file, in words. */
export function systemReason(error: unknown): string {
  const code = systemCode(error);
  return (code === undefined ? undefined : reasons[code]) ?? messageOf(error);
}

/** The same without the file's name, of what can only fail for the system's reasons: any other error is a bug, and thrown again. */
export function fileTrouble(error: unknown): string {
  const code = systemCode(error);
  if (code === undefined) throw error;
  return reasons[code] ?? code;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
