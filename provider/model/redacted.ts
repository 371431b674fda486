import { inspect } from 'node:util';

/** A secret. It prints as `(redacted)` everywhere; only `reveal()` gives the value, at the place that needs it. */
export class Redacted {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The secret itself. Never put the answer into a message, a log, a plan or a process argument. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return '(redacted)';
  }

  toJSON(): string {
    return '(redacted)';
  }

  [inspect.custom](): string {
    return '(redacted)';
  }
}
