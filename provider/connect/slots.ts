/**
 * Bounds how many channels are open on one connection: sshd's MaxSessions is 10 by default, and a session more is refused.
 * Waiting is first come, first served. A host with a lower bound makes itself known by refusing; see `shrink`.
 */
export class Slots {
  #limit: number;
  #taken = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  get taken(): number {
    return this.#taken;
  }

  /** `true` once a slot is ours, `false` when the signal came first. */
  async acquire(signal: AbortSignal | undefined): Promise<boolean> {
    if (signal?.aborted) return false;
    if (this.#taken < this.#limit) {
      this.#taken++;
      return true;
    }
    return await new Promise<boolean>((resolve) => {
      const wake = () => {
        signal?.removeEventListener('abort', giveUp);
        this.#taken++;
        resolve(true);
      };
      const giveUp = () => {
        this.#waiting.splice(this.#waiting.indexOf(wake), 1);
        resolve(false);
      };
      signal?.addEventListener('abort', giveUp, { once: true });
      this.#waiting.push(wake);
    });
  }

  release(): void {
    this.#taken--;
    this.#wakeNext();
  }

  /** The host took no more than the others that are open now: never ask for more again. */
  shrink(): void {
    this.#limit = Math.max(1, Math.min(this.#limit, this.#taken - 1));
  }

  #wakeNext(): void {
    while (this.#taken < this.#limit) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      next();
    }
  }
}
