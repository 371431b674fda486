import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * Where root file systems, guest images and the state of running labs live: `STOCKADE_CACHE`, else
 * `stockade/lab` in the user's cache directory, so that every clone on a machine shares one copy.
 */
export function labCache(environment: NodeJS.ProcessEnv = process.env): string {
  if (environment['STOCKADE_CACHE']) return environment['STOCKADE_CACHE'];
  return join(environment['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'stockade', 'lab');
}

/** One directory per running lab. */
export function runsDirectory(): string {
  return join(labCache(), 'runs');
}

/** Held while runs are registered or swept. */
export function runsLock(): string {
  return join(labCache(), 'runs.lock');
}
