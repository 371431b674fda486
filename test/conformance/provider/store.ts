/** What the conformance provider manages: one JSON file per thing below a folder. */
import { appendFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

export interface StoredThing {
  readonly size: string;
  readonly revision: number;
  readonly secret: string | null;
  /** Proves that a write-only value arrived. */
  readonly passwordLength: number | null;
  /** Proves that private state came back. */
  readonly privateMark: string | null;
  readonly metaOwner: string | null;
  readonly intact: boolean;
}

export class Store {
  private readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  async read(name: string): Promise<StoredThing | undefined> {
    try {
      return JSON.parse(await readFile(this.file(name), 'utf8')) as StoredThing;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  async write(name: string, thing: StoredThing): Promise<void> {
    await mkdir(this.folder, { recursive: true });
    await writeFile(this.file(name), JSON.stringify(thing));
  }

  async remove(name: string): Promise<void> {
    await rm(this.file(name), { force: true });
  }

  async names(): Promise<string[]> {
    const names = await readdir(this.folder);
    return names
      .filter((name) => name.endsWith('.json'))
      .map((name) => path.basename(name, '.json'))
      .toSorted();
  }

  /** A line in `events.log`, for the tests to read. */
  async note(event: string): Promise<void> {
    await mkdir(this.folder, { recursive: true });
    await appendFile(path.join(this.folder, 'events.log'), `${event}\n`);
  }

  private file(name: string): string {
    return path.join(this.folder, `${name}.json`);
  }
}
