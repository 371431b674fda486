import { failure, problem, type Result, success } from '../model/diagnostic.ts';

/** One guest's record of the section: what the host's systemd and cgroup say. */
export interface RawGuest {
  readonly name: string;
  /** Of its lease file; empty when unreadable. */
  readonly uid: string;
  readonly mainPid: number;
  readonly pids: readonly number[];
}

/** One unit of a share's helper. */
export interface RawHelper {
  /** The unit's name. */
  readonly id: string;
  readonly mainPid: number;
  readonly pids: readonly number[];
}

export interface RawLink {
  readonly type: string;
  readonly target: string;
}

/** The section's output, taken apart; texts are hostile. */
export interface RawEvidence {
  readonly time: string;
  readonly units: string;
  readonly guests: ReadonlyMap<string, RawGuest>;
  readonly helpers: readonly RawHelper[];
  readonly strangers: string | undefined;
  /** Processes of a guest's uid that are in no unit of a guest's, some. */
  readonly strays: readonly number[];
  /** Processes with more open files than were listed. */
  readonly crowded: ReadonlySet<number>;
  /** Lines of all threads' status, one thread after another. */
  readonly threads: string;
  /** Some lines of a file, each ended by a line feed. */
  readonly lines: ReadonlyMap<string, string>;
  /** Such lines of files that were read a second time, after the links. */
  readonly again: ReadonlyMap<string, string>;
  /** How many open files are in which mount, of processes with more than are listed: `COUNT PID MOUNT` on each line. */
  readonly counts: string;
  readonly files: ReadonlyMap<string, string>;
  readonly links: ReadonlyMap<string, RawLink>;
  readonly stats: ReadonlyMap<string, readonly string[]>;
  /** What came of trying to open devices (`parseTrials`). */
  readonly devices: string;
  /** The end mark was reached: what is not there was not there on the host either. */
  readonly complete: boolean;
}

const maxPids = 4096;

/** Takes the section's bytes apart; anything that does not follow its grammar ends the reading there. */
export function readEvidenceStream(bytes: Uint8Array): Result<RawEvidence> {
  const fields = new Fields(bytes);
  if (fields.next() !== 'time') {
    return failure(
      problem('evidence-unreadable', 'The evidence section of the host is not as it should be.'),
    );
  }
  const time = (fields.next() ?? '').trim();
  const units = fields.mark('units') ? (fields.next() ?? '') : '';
  const guests = new Map<string, RawGuest>();
  const crowded = new Set<number>();
  const helpers: RawHelper[] = [];
  for (;;) {
    const record = fields.mark('guest')
      ? guestRecord(fields)
      : fields.mark('helper')
        ? helperRecord(fields)
        : undefined;
    if (record === undefined) break;
    if ('name' in record) guests.set(record.name, record);
    else helpers.push(record);
    for (const pid of record.crowded) crowded.add(pid);
  }
  const strangers = fields.mark('strangers') ? fields.next() : undefined;
  const [strays = '', many = ''] = fields.mark('strays') ? (fields.take(2) ?? []) : [];
  for (const pid of pidList(many)) crowded.add(pid);
  const threads = (fields.mark('threads') ? fields.next() : undefined) ?? '';
  const lines = lineMap(fields.lines('lines'));
  const files = new OnceMap<string>();
  for (const [path = '', content = ''] of fields.records('files', 2)) files.add(path, content);
  const links = new OnceMap<RawLink>();
  for (const [path = '', type = '', target = ''] of fields.records('links', 3))
    links.add(path, { type, target });
  const again = lineMap(fields.lines('again'));
  const counts = (fields.mark('counts') ? fields.next() : undefined) ?? '';
  const stats = new OnceMap<readonly string[]>();
  for (const [path = '', ...rest] of fields.records('stats', 8)) stats.add(path, rest);
  const devices = (fields.mark('devices') ? fields.next() : undefined) ?? '';
  const complete = fields.mark('end');
  const shown = {
    helpers,
    strangers,
    strays: pidList(strays),
    crowded,
    threads,
    ...{ lines, again, counts },
    files: files.values,
    links: links.values,
    stats: stats.values,
    devices,
  };
  return success({ time, units, guests, ...shown, complete });
}

function guestRecord(fields: Fields): (RawGuest & Crowded) | undefined {
  const [name, uid, main, pids, many] = fields.take(5) ?? [];
  if (name === undefined || uid === undefined || pids === undefined || many === undefined) return undefined;
  return { name, uid, mainPid: digits(main) ?? 0, pids: pidList(pids), crowded: pidList(many) };
}

function helperRecord(fields: Fields): (RawHelper & Crowded) | undefined {
  const [id, main, pids, many] = fields.take(4) ?? [];
  if (id === undefined || pids === undefined || many === undefined) return undefined;
  return { id, mainPid: digits(main) ?? 0, pids: pidList(pids), crowded: pidList(many) };
}

interface Crowded {
  readonly crowded: readonly number[];
}

function lineMap(lines: Iterable<readonly [path: string, line: string]>): ReadonlyMap<string, string> {
  const byPath = new Map<string, string>();
  for (const [path, line] of lines) byPath.set(path, `${byPath.get(path) ?? ''}${line}\n`);
  return byPath;
}

/** A path that comes twice has shown nothing: a file with a NUL in it comes in pieces. */
class OnceMap<T> {
  readonly #values = new Map<string, T>();
  readonly #spoiled = new Set<string>();

  get values(): ReadonlyMap<string, T> {
    return this.#values;
  }

  add(path: string, value: T): void {
    if (this.#values.has(path)) {
      this.#values.delete(path);
      this.#spoiled.add(path);
    } else if (!this.#spoiled.has(path)) this.#values.set(path, value);
  }
}

function pidList(text: string): readonly number[] {
  return text
    .split(' ')
    .slice(0, maxPids)
    .flatMap((pid) => digits(pid) ?? []);
}

/** A decimal number as the kernel prints it, or nothing. */
export function digits(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** Fields ended by NUL, one after another. */
class Fields {
  /** Decoded at once: for each field by itself that takes longer than all the rest of the reading. */
  readonly #text: string;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
  }

  next(): string | undefined {
    const end = this.#text.indexOf('\0', this.#at);
    if (end < 0) return undefined;
    const field = this.#text.slice(this.#at, end);
    this.#at = end + 1;
    return field;
  }

  /** Goes past this mark, if it is what comes next. */
  mark(name: string): boolean {
    const before = this.#at;
    if (this.next() === name) return true;
    this.#at = before;
    return false;
  }

  take(count: number): readonly string[] | undefined {
    const fields: string[] = [];
    for (let index = 0; index < count; index++) {
      const field = this.next();
      if (field === undefined) return undefined;
      fields.push(field);
    }
    return fields;
  }

  /** Lines after a mark, each behind its file's path: both hold no line feed. An empty path is their end. */
  *lines(name: string): Generator<readonly [path: string, line: string]> {
    let path = this.mark(name) ? this.next() : undefined;
    while (path !== undefined && path !== '') {
      const piece = this.next();
      const end = piece?.indexOf('\n') ?? -1;
      if (piece === undefined || end < 0) return;
      yield [path, piece.slice(0, end)];
      path = piece.slice(end + 1);
    }
  }

  /** The records after a mark: each begins with a path, which no mark does. */
  *records(name: string, width: number): Generator<readonly string[]> {
    if (!this.mark(name)) return;
    while (this.#text[this.#at] === '/') {
      const record = this.take(width);
      if (record === undefined) return;
      yield record;
    }
  }
}
