/**
 * Cuts a stream of bytes into lines and keeps only those that begin with `prefix`, without it. Other lines (login banners,
 * noise) are dropped as they come and take no memory; a line longer than `limitBytes` is given up.
 */
export class PrefixedLines {
  readonly #prefix: Uint8Array;
  readonly #limitBytes: number;
  readonly #onLine: (line: Buffer) => void;
  readonly #onTooLong: () => void;
  #pieces: Uint8Array[] = [];
  #length = 0;
  #dropping = false;

  constructor(
    prefix: string,
    limitBytes: number,
    handlers: { readonly onLine: (line: Buffer) => void; readonly onTooLong: () => void },
  ) {
    this.#prefix = Buffer.from(prefix, 'latin1');
    this.#limitBytes = limitBytes;
    this.#onLine = handlers.onLine;
    this.#onTooLong = handlers.onTooLong;
  }

  feed(piece: Uint8Array): void {
    let from = 0;
    while (from < piece.length) {
      const newline = piece.indexOf(10, from);
      this.#add(piece.subarray(from, newline < 0 ? piece.length : newline));
      if (newline < 0) return;
      this.#endLine();
      from = newline + 1;
    }
  }

  #add(part: Uint8Array): void {
    if (this.#dropping || part.length === 0) return;
    const known = Math.max(0, Math.min(this.#prefix.length - this.#length, part.length));
    for (let index = 0; index < known; index++) {
      if (part[index] !== this.#prefix[this.#length + index]) return this.#drop();
    }
    this.#pieces.push(Buffer.from(part));
    this.#length += part.length;
    if (this.#length > this.#limitBytes) {
      this.#drop();
      this.#onTooLong();
    }
  }

  #drop(): void {
    this.#dropping = true;
    this.#pieces = [];
  }

  #endLine(): void {
    const whole = !this.#dropping && this.#length >= this.#prefix.length;
    const line = whole ? Buffer.concat(this.#pieces).subarray(this.#prefix.length) : undefined;
    this.#pieces = [];
    this.#length = 0;
    this.#dropping = false;
    if (line) this.#onLine(line);
  }
}
