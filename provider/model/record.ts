import { failure, problem, success, type Result } from './diagnostic.ts';
import { sh, word, words, type ShellText } from './shell.ts';

/**
 * What a host remembers of one object, in a file below /var/lib/stockade that only root can read or write:
 *
 *     stockade-record 1
 *     owner fleet-7
 *     generation 3
 *     digest 5b1f…
 *
 * A line per key; the first line is fixed. Keys and values keep to characters that neither a shell nor a terminal
 * interprets, so a value that could hold anything else is stored in base64.
 */
export interface HostRecord {
  /** Every key of the file, `owner`, `generation` and `digest` among them. */
  readonly values: ReadonlyMap<string, string>;
  /** The fleet that made the object; nobody else may touch it. */
  readonly owner: string;
  /** Goes up by one with each change of the object. From 1. */
  readonly generation: number;
  /** Digest of what was asked for; empty if the record has none. */
  readonly digest: string;
}

const recordHeading = 'stockade-record 1';
/** No record is larger; the host side reads no further either. */
const recordLimitBytes = 65_536;
export const recordKeyPattern = /^[a-z][a-z0-9_]{0,31}$/;
export const recordValuePattern = /^[A-Za-z0-9._:+/=-]{1,4096}$/;

/** Reads a record file's bytes. Nothing in it is trusted: size, heading, keys and values are checked. */
export function parseRecord(bytes: Uint8Array, file = 'record'): Result<HostRecord> {
  const damaged = (what: string) =>
    failure<HostRecord>(
      problem('record-damaged', `${file} is not a readable record: ${what}`, {
        hint: 'Look at the file on the host; delete it if the object it stands for is gone.',
      }),
    );
  if (bytes.length > recordLimitBytes) return damaged(`larger than ${recordLimitBytes} bytes`);
  const rows = Buffer.from(bytes).toString('latin1').split('\n');
  if (rows[0] !== recordHeading) return damaged(`it does not begin with "${recordHeading}"`);
  if (rows.at(-1) !== '') return damaged('the last line is cut off');
  const values = new Map<string, string>();
  for (const [index, row] of rows.slice(1, -1).entries()) {
    const blank = row.indexOf(' ');
    const key = row.slice(0, blank);
    const value = row.slice(blank + 1);
    if (blank < 1 || !recordKeyPattern.test(key) || !recordValuePattern.test(value)) {
      return damaged(`line ${index + 2} is not a key and a value`);
    }
    if (values.has(key)) return damaged(`line ${index + 2} repeats ${key}`);
    values.set(key, value);
  }
  const owner = values.get('owner');
  const generation = values.get('generation') ?? '';
  if (owner === undefined) return damaged('it has no owner');
  if (!/^[1-9][0-9]{0,14}$/.test(generation)) return damaged('its generation is not a positive number');
  return success({ values, owner, generation: Number(generation), digest: values.get('digest') ?? '' });
}

/** The prelude's call that writes such a record: `record_write FILE key value …`. Throws on what no record can hold. */
export function recordWrite(file: string, values: Readonly<Record<string, string | number>>): ShellText {
  const pairs = Object.entries(values).flatMap(([key, value]) => {
    if (!recordKeyPattern.test(key)) throw new RecordValueError(`not a record key: ${key}`);
    if (!recordValuePattern.test(String(value))) throw new RecordValueError(`not a record value, for ${key}`);
    return [key, String(value)];
  });
  return sh`record_write ${word(file)} ${words(pairs)}`;
}

/** What an operation's body begins with: refuses unless the record is as it was when the plan was made. */
export function expectRecord(file: string, owner: string, generation: number | 'none' | 'any'): ShellText {
  return sh`expect_record ${word(file)} ${word(owner)} ${word(String(generation))}`;
}

/** Thrown for a key or value that no record can hold; callers check or encode first, so reaching it is a bug. */
export class RecordValueError extends Error {}
