import { closeSync, fstatSync, openSync, readdirSync, readSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Diagnostic, failure, problem, type Result, success } from '../model/diagnostic.ts';
import { quoted } from '../model/printable.ts';
import { fileTrouble } from '../model/system-error.ts';
import type { DefinitionText } from '../spec/definitions.ts';
import { maxFileBytes, maxFiles, maxTotalBytes } from '../spec/yaml/limits.ts';
import { decodeText } from './decode.ts';

/**
 * Reads files of definitions, and those in directories: all `*.yaml` and `*.yml` in it by name, without hidden ones and without going
 * into directories below. A file that is reached twice is read once.
 */
export function readDefinitionFiles(paths: readonly string[]): Result<readonly DefinitionText[]> {
  const problems: Diagnostic[] = [];
  const names = paths.flatMap((path) => namesAt(path, problems));
  const texts: DefinitionText[] = [];
  const seen = new Set<string>();
  let total = 0;
  for (const name of names) {
    if (texts.length >= maxFiles || total > maxTotalBytes) {
      const limit = `${maxFiles} files and ${maxTotalBytes} bytes at most`;
      problems.push(unreadable(name, `is too much after all the others: ${limit}`, 'Split the fleet.'));
      break;
    }
    const read = attempt(name, () => readOnce(name, seen), problems);
    if (read === undefined) continue;
    if ('severity' in read) problems.push(read);
    else texts.push(read);
    total += 'text' in read ? read.text.length : 0;
  }
  return problems.length > 0 ? failure(...problems) : success(texts);
}

function namesAt(path: string, problems: Diagnostic[]): readonly string[] {
  const names = attempt(
    path,
    () =>
      statSync(path).isDirectory()
        ? readdirSync(path)
            .filter((name) => /^[^.].*\.ya?ml$/.test(name))
            .sort()
            .map((name) => join(path, name))
        : [path],
    problems,
  );
  if (names?.length === 0)
    problems.push(
      unreadable(path, 'has no definitions', 'Put files whose names end with .yaml or .yml into it.'),
    );
  return names ?? [];
}

/** `undefined`: it was read already, by this name or another. */
function readOnce(name: string, seen: Set<string>): DefinitionText | Diagnostic | undefined {
  const real = realpathSync(name);
  if (seen.has(real)) return undefined;
  seen.add(real);
  // Looked at before it is opened: opening a FIFO waits.
  if (!statSync(real).isFile()) return unreadable(name, 'is no regular file');
  const bytes = readBounded(real);
  if (bytes === undefined) {
    const hint = 'Split it into several files of one directory.';
    return unreadable(name, `is too large: ${maxFileBytes} bytes at most`, hint);
  }
  return decodeText(name, bytes);
}

function readBounded(file: string): Buffer | undefined {
  const descriptor = openSync(file, 'r');
  try {
    const room = Buffer.alloc(Math.min(fstatSync(descriptor).size, maxFileBytes) + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length < room.length; length += read)
      read = readSync(descriptor, room, length, room.length - length, null);
    return length > maxFileBytes ? undefined : room.subarray(0, length);
  } finally {
    closeSync(descriptor);
  }
}

function attempt<T>(name: string, action: () => T, problems: Diagnostic[]): T | undefined {
  try {
    return action();
  } catch (error) {
    problems.push(unreadable(name, `cannot be read: ${fileTrouble(error)}`));
    return undefined;
  }
}

function unreadable(name: string, what: string, hint?: string): Diagnostic {
  return problem('definition-unreadable', `${quoted(name)} ${what}`, {
    source: { file: name, line: 1, column: 1 },
    ...(hint === undefined ? {} : { hint }),
  });
}
