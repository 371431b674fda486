/** What a reader is told. */
export interface LineHandlers {
  /** One line that begins with the prefix, without it. */
  readonly onLine: (line: Buffer) => void;
  /** What stood between two marks, byte for byte. */
  readonly onBody: (body: Buffer) => void;
  /** A line or a body was longer than allowed. */
  readonly onTooLong: () => void;
}

/**
 * Cuts a stream of bytes into lines and keeps only those that begin with `prefix`, without it. Other lines (login banners,
 * noise) are dropped as they come and take no memory; a line longer than `limitBytes` is given up. After `readBody` everything up to
 * a mark is one body, whatever is in it.
 */
export class PrefixedLines {
  readonly #prefix: Uint8Array;
  readonly #limitBytes: number;
  readonly #handlers: LineHandlers;
  #pieces: Uint8Array[] = [];
  #length = 0;
  #dropping = false;
  #mark: Buffer | undefined;
  /** The last bytes of a body, one less than its mark has: the mark may have begun in them. */
  #tail: Buffer = empty;

  constructor(prefix: string, limitBytes: number, handlers: LineHandlers) {
    this.#prefix = Buffer.from(prefix, 'latin1');
    this.#limitBytes = limitBytes;
    this.#handlers = handlers;
  }

  /** For a line's handler: what follows this line, up to `mark`, is a body. */
  readBody(mark: string): void {
    this.#mark = Buffer.from(mark, 'latin1');
  }

  feed(piece: Uint8Array): void {
    let from = 0;
    while (from < piece.length) {
      const rest = piece.subarray(from);
      from += this.#mark === undefined ? this.#feedLine(rest) : this.#feedBody(rest, this.#mark);
    }
  }

  /** Takes at most the rest of a line; returns how many bytes that was. */
  #feedLine(piece: Uint8Array): number {
    const newline = piece.indexOf(10);
    this.#add(piece.subarray(0, newline < 0 ? piece.length : newline));
    if (newline < 0) return piece.length;
    this.#endLine();
    return newline + 1;
  }

  #add(part: Uint8Array): void {
    if (this.#dropping || part.length === 0) return;
    const known = Math.max(0, Math.min(this.#prefix.length - this.#length, part.length));
    for (let index = 0; index < known; index++) {
      if (part[index] !== this.#prefix[this.#length + index]) return this.#drop();
    }
    this.#keep(part);
  }

  #keep(part: Uint8Array): void {
    if (this.#dropping) return;
    this.#pieces.push(Buffer.from(part));
    this.#length += part.length;
    if (this.#length <= this.#limitBytes) return;
    this.#drop();
    this.#handlers.onTooLong();
  }

  #drop(): void {
    this.#dropping = true;
    this.#pieces = [];
  }

  #endLine(): void {
    const whole = !this.#dropping && this.#length >= this.#prefix.length;
    const line = whole ? Buffer.concat(this.#pieces).subarray(this.#prefix.length) : undefined;
    this.#reset();
    if (line) this.#handlers.onLine(line);
  }

  /** Takes at most the rest of a body and its mark; returns how many bytes that was. */
  #feedBody(piece: Uint8Array, mark: Buffer): number {
    const seen = Buffer.concat([this.#tail, piece]);
    const begin = seen.indexOf(mark);
    if (begin < 0) {
      this.#keep(piece);
      this.#tail = seen.subarray(Math.max(0, seen.length - mark.length + 1));
      return piece.length;
    }
    const end = begin + mark.length - this.#tail.length;
    this.#keep(piece.subarray(0, end));
    const body = this.#dropping ? undefined : Buffer.concat(this.#pieces);
    this.#reset();
    this.#mark = undefined;
    this.#tail = empty;
    if (body) this.#handlers.onBody(body.subarray(0, body.length - mark.length));
    return end;
  }

  #reset(): void {
    this.#pieces = [];
    this.#length = 0;
    this.#dropping = false;
  }
}

const empty: Buffer = Buffer.alloc(0);
