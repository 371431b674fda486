/** What a command's start announced on stderr (see wrap.ts): its process id, or 0 where it has no root. */
export type Announcement = number;

const tailBytes = 16 * 1024;
/** sudo's lecture and a login shell's complaints come before the announcement; more than this is no such thing. */
const preambleBytes = 64 * 1024;

/** Keeps the last 16 KiB of what is added. */
class Tail {
  #pieces: Buffer[] = [];
  #length = 0;

  add(piece: Buffer): void {
    this.#pieces.push(piece);
    this.#length += piece.length;
    if (this.#length > 4 * tailBytes) this.#pieces = [this.bytes()];
  }

  bytes(): Buffer {
    const whole = Buffer.concat(this.#pieces);
    const tail = whole.subarray(Math.max(0, whole.length - tailBytes));
    this.#length = tail.length;
    this.#pieces = [tail];
    return tail;
  }
}

/** Collects what a command writes, within bounds, and takes the announcement out of stderr. */
export class Output {
  readonly #announcementLine: RegExp;
  readonly #maxStdoutBytes: number;
  readonly #stdout: Buffer[] = [];
  #stdoutLength = 0;
  #crossed = false;
  readonly #stderr = new Tail();
  /** Stderr before the announcement; `undefined` once it came, or will not come any more. */
  #preamble: Buffer | undefined = Buffer.alloc(0);
  #announcement: Announcement | undefined;

  /** `marker`: letters, digits and hyphens. */
  constructor(marker: string, maxStdoutBytes: number) {
    this.#announcementLine = new RegExp(`(?:^|\\n)${marker} (\\d{1,10})\\n`);
    this.#maxStdoutBytes = maxStdoutBytes;
  }

  get announcement(): Announcement | undefined {
    return this.#announcement;
  }

  /** `false` when the bound is crossed; that piece and all after it are dropped, for what comes after a gap means something else. */
  addStdout(piece: Buffer): boolean {
    this.#crossed ||= this.#stdoutLength + piece.length > this.#maxStdoutBytes;
    if (this.#crossed) return false;
    this.#stdout.push(piece);
    this.#stdoutLength += piece.length;
    return true;
  }

  addStderr(piece: Buffer): void {
    if (this.#preamble === undefined) {
      this.#stderr.add(piece);
      return;
    }
    const preamble = Buffer.concat([this.#preamble, piece]);
    const text = preamble.toString('latin1');
    const found = this.#announcementLine.exec(text);
    if (found?.[1] === undefined) {
      this.#preamble = preamble;
      if (preamble.length > preambleBytes) this.#flushPreamble();
      return;
    }
    this.#announcement = Number(found[1]);
    const start = found.index + (found[0].startsWith('\n') ? 1 : 0);
    this.#preamble = Buffer.concat([
      preamble.subarray(0, start),
      preamble.subarray(found.index + found[0].length),
    ]);
    this.#flushPreamble();
  }

  #flushPreamble(): void {
    if (this.#preamble !== undefined) this.#stderr.add(this.#preamble);
    this.#preamble = undefined;
  }

  stdout(): Buffer {
    return Buffer.concat(this.#stdout);
  }

  /** The last 16 KiB, without the announcement. */
  stderr(): Buffer {
    this.#flushPreamble();
    return this.#stderr.bytes();
  }

  /** The last lines of stderr for a message, at most 2,000 characters. Hostile until a view escapes them. */
  lastWords(): string {
    return this.stderr().toString('utf8').slice(-2000).trim();
  }
}
