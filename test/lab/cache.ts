import { mkdirSync, readdirSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { withLock } from './lock.ts';
import { labCache } from './paths.ts';

/** Called with a line for people when something takes a while. */
export type Progress = (line: string) => void;

/**
 * The directory `<kind>-<digest>` of the cache, made by `build` when it is not there yet. It is built under another name and
 * renamed when complete, under a lock: an interrupted build is never used and is cleared away by the next one.
 */
export async function cached(
  kind: string,
  digest: string,
  build: (directory: string) => Promise<void>,
): Promise<string> {
  const finished = join(labCache(), `${kind}-${digest}`);
  if (exists(finished)) return markUsed(finished);
  return withLock(join(labCache(), `${kind}.lock`), async () => {
    if (exists(finished)) return markUsed(finished);
    const unfinished = join(labCache(), `${kind}.unfinished`);
    rmSync(unfinished, { recursive: true, force: true });
    mkdirSync(unfinished, { recursive: true });
    await build(unfinished);
    renameSync(unfinished, finished);
    removeUnused(kind, finished);
    return finished;
  });
}

/** Removes what no recipe has asked for in a fortnight: other branches' entries stay while they are worked on. */
function removeUnused(kind: string, used: string): void {
  for (const name of readdirSync(labCache()).filter((entry) => entry.startsWith(`${kind}-`))) {
    const entry = join(labCache(), name);
    const idleDays = (Date.now() - statSync(entry).mtimeMs) / (24 * 60 * 60 * 1000);
    if (entry !== used && idleDays > 14) rmSync(entry, { recursive: true, force: true });
  }
}

function markUsed(entry: string): string {
  const now = new Date();
  utimesSync(entry, now, now);
  return entry;
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}
