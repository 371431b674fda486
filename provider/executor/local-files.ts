import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { failure, problem, type Result, success } from '../model/diagnostic.ts';
import type { Upload } from '../model/operation.ts';
import { systemReason } from '../model/system-error.ts';
import type { GuestFile } from '../resources/guest/desired.ts';

/** How an import writes a file whose path on the applier's machine nobody remembers. */
const digestReference = /^sha256:([0-9a-f]{64})$/;

export function referenceTo(sha256: string): string {
  return `sha256:${sha256}`;
}

/** A file of the applier's machine, or a digest that stands for one the host has. */
export interface LocalFile {
  readonly sha256: string;
  /** How to send it; `undefined` for a digest alone. */
  readonly upload: Upload | undefined;
}

/** Digests of local files, computed once per process and file (path, size and time of change). */
export class LocalFiles {
  readonly #digests = new Map<string, Promise<string>>();

  /** @param field the attribute that names the file, for messages: `kernel` or `initrd` */
  async look(path: string, field: string): Promise<Result<LocalFile>> {
    const reference = digestReference.exec(path)?.[1];
    if (reference !== undefined) return success({ sha256: reference, upload: undefined });
    try {
      const status = await stat(path);
      if (!status.isFile()) return failure(unreadable(path, field, 'it is not a regular file'));
      const sha256 = await this.#digest(path, `${path}\0${status.size}\0${status.mtimeMs}\0${status.ino}`);
      return success({
        sha256,
        upload: {
          bytes: status.size,
          sha256,
          open: () => createReadStream(path) as AsyncIterable<Uint8Array>,
        },
      });
    } catch (error) {
      return failure(unreadable(path, field, systemReason(error)));
    }
  }

  #digest(path: string, key: string): Promise<string> {
    const known = this.#digests.get(key);
    if (known !== undefined) return known;
    const fresh = digestOf(path);
    this.#digests.set(key, fresh);
    fresh.catch(() => this.#digests.delete(key));
    return fresh;
  }
}

/** A guest's file as the host keeps it. */
export function guestFile(file: LocalFile): GuestFile {
  return { kind: 'digest', sha256: file.sha256, bytes: file.upload?.bytes ?? 0 };
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path) as AsyncIterable<Uint8Array>) hash.update(piece);
  return hash.digest('hex');
}

function unreadable(path: string, field: string, why: string) {
  return problem('file-unreadable', `${field} file ${JSON.stringify(path)}: ${why}`, {
    hint: `Give the path of a readable file on this machine, or use host_file for one that is on the host. It was looked for at ${resolve(path)}.`,
    path: [field, 'file'],
  });
}
