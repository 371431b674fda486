import { Buffer } from 'node:buffer';

/** A file, directory or device of an initramfs; everything is owned by root. */
export type ArchiveEntry =
  | { readonly path: string; readonly kind: 'directory' }
  | { readonly path: string; readonly kind: 'file'; readonly mode: number; readonly content: Buffer };

/** An archive in the kernel's "newc" format (Documentation/driver-api/early-userspace/buffer-format.rst), same bytes each time. */
export function cpioArchive(entries: readonly ArchiveEntry[]): Buffer {
  const pieces = entries.flatMap((entry, index) => record(entry, index + 1));
  return Buffer.concat([...pieces, ...record({ path: 'TRAILER!!!', kind: 'directory' }, 0)]);
}

function record(entry: ArchiveEntry, inode: number): Buffer[] {
  const content = entry.kind === 'file' ? entry.content : Buffer.alloc(0);
  const mode = entry.kind === 'file' ? 0o100000 | entry.mode : 0o040755;
  const name = Buffer.from(`${entry.path}\0`);
  // ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
  const fields = [inode, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length, 0];
  const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`;
  return [padded(Buffer.concat([Buffer.from(header), name])), padded(content)];
}

function padded(data: Buffer): Buffer {
  return Buffer.concat([data, Buffer.alloc((4 - (data.length % 4)) % 4)]);
}
