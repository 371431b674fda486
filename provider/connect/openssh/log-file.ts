import { closeSync, fstatSync, ftruncateSync, openSync, readSync } from 'node:fs';

/** Enough for all that is said until a login, and for the end of what is said after it. */
const keptBytes = 256 * 1024;
const largestBytes = 1024 * 1024;
const watchMilliseconds = 500;

/**
 * The program's log. A host can make it say something at any time, so it is watched, and emptied when it grows: what is lost is a
 * message's detail. It goes on by its descriptor when its directory is gone.
 */
export class LogFile {
  readonly #file: number;
  readonly #watch: NodeJS.Timeout;

  constructor(path: string) {
    this.#file = openSync(path, 'w+', 0o600);
    this.#watch = setInterval(() => {
      if (fstatSync(this.#file).size > largestBytes) ftruncateSync(this.#file, 0);
    }, watchMilliseconds).unref();
  }

  /** Its beginning. */
  head(): string {
    return this.#read(0);
  }

  /** Its end. */
  tail(): string {
    return this.#read(Math.max(0, fstatSync(this.#file).size - keptBytes));
  }

  close(): void {
    clearInterval(this.#watch);
    closeSync(this.#file);
  }

  #read(from: number): string {
    const bytes = Buffer.alloc(keptBytes);
    return bytes.toString('latin1', 0, readSync(this.#file, bytes, 0, keptBytes, from));
  }
}
