/** How long requests are collected before they travel. */
export interface GatherSettings {
  /** After the last request. @default 5 */
  readonly quietMilliseconds: number;
  /** After the first one, at the latest. @default 25 */
  readonly longestMilliseconds: number;
}

export const defaultGatherSettings: GatherSettings = { quietMilliseconds: 5, longestMilliseconds: 25 };

/** Calls `go` once things have been quiet for a moment. */
export class Gatherer {
  readonly #settings: GatherSettings;
  readonly #go: () => void;
  #timer: NodeJS.Timeout | undefined;
  #deadline = 0;

  constructor(settings: GatherSettings, go: () => void) {
    this.#settings = settings;
    this.#go = go;
  }

  /** One more request: puts the moment off, but not past the longest wait. */
  touch(): void {
    const now = performance.now();
    if (this.#timer === undefined) this.#deadline = now + this.#settings.longestMilliseconds;
    else clearTimeout(this.#timer);
    const wait = Math.max(0, Math.min(this.#settings.quietMilliseconds, this.#deadline - now));
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#go();
    }, wait);
  }
}
