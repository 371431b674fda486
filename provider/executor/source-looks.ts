import { type Result, success } from '../model/diagnostic.ts';
import {
  isLookedAt,
  type ShareSourceFacts,
  shareSourcesSection,
  shareSourcesSectionName,
} from '../resources/guest/share-sources.ts';
import { plainPath } from '../spec/plain-path.ts';
import { parseShareSources } from '../resources/guest/share-sources-parse.ts';
import type { HostSession } from './session.types.ts';

type Sources = ReadonlyMap<string, ShareSourceFacts>;

/** What was seen of the directories of one host that guests share. Each is looked at once. */
export class SourceLooks {
  /** By path: the look that it was part of. */
  readonly #looks = new Map<string, Promise<Result<Sources>>>();

  /** Everything known once these are. What has to be asked for travels with what is asked of the host in the same moment. */
  async look(session: HostSession, paths: readonly string[]): Promise<Result<Sources>> {
    const wanted = paths.filter(isLookedAt).map(plainPath);
    const unknown = wanted.filter((path) => !this.#looks.has(path));
    if (unknown.length > 0) {
      const asked = ask(session, unknown);
      for (const path of unknown) this.#looks.set(path, asked);
      void asked.then(({ ok }) => {
        if (!ok) this.#drop(asked);
      });
    }
    const seen = new Map<string, ShareSourceFacts>();
    for (const looking of new Set(this.#looks.values())) {
      const looked = await looking;
      if (looked.ok) for (const [path, facts] of looked.value) seen.set(path, facts);
      else if (wanted.some((path) => this.#looks.get(path) === looking)) return looked;
    }
    return success(seen);
  }

  #drop(failed: Promise<Result<Sources>>): void {
    for (const [path, looking] of this.#looks) if (looking === failed) this.#looks.delete(path);
  }
}

async function ask(session: HostSession, paths: readonly string[]): Promise<Result<Sources>> {
  const read = await session.read([shareSourcesSection(paths)]);
  if (!read.ok) return read;
  const shown = read.value.get(shareSourcesSectionName) ?? new Uint8Array();
  return success(parseShareSources(shown, paths));
}
