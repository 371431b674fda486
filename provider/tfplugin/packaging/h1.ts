import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/**
 * The `h1:` hash of a provider's folder, as `.terraform.lock.hcl` holds it: the SHA-256 of the sorted list of all files' SHA-256
 * and names. Any change of any file in the folder changes it.
 */
export function hashFolder(folder: string): string {
  const lines = filesBelow(folder)
    .toSorted()
    .map((name) => {
      const hash = createHash('sha256').update(readFileSync(path.join(folder, name)));
      return `${hash.digest('hex')}  ${name}\n`;
    });
  return `h1:${createHash('sha256').update(lines.join('')).digest('base64')}`;
}

function filesBelow(folder: string, prefix = ''): string[] {
  return readdirSync(path.join(folder, prefix), { withFileTypes: true }).flatMap((entry) => {
    const name = prefix === '' ? entry.name : `${prefix}/${entry.name}`;
    return entry.isDirectory() ? filesBelow(folder, name) : [name];
  });
}
