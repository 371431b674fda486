import { constants, gunzipSync } from 'node:zlib';
import type { OperationResult, OperationStatus } from '../model/operation.ts';
import { messageOf, systemCode } from '../model/system-error.ts';
import { PrefixedLines } from './lines.ts';

/** What one line of a batch says. */
export type BatchLine =
  | { readonly type: 'begin' }
  | { readonly type: 'end' }
  | { readonly type: 'stop'; readonly code: string; readonly detail: string }
  | { readonly type: 'result'; readonly index: number; readonly result: Omit<OperationResult, 'id'> }
  | { readonly type: 'section'; readonly index: number; readonly section: SectionOutput };

/** What a section printed; `exitCode` is `undefined` when it was cut at its limit or did not come to its end. */
export interface SectionOutput {
  readonly bytes: Uint8Array;
  readonly exitCode: number | undefined;
}

export interface BatchHandlers {
  readonly onLine: (line: BatchLine) => void;
  readonly onBroken: (what: string) => void;
  /** It would have more than `unpackedBytes`; none of it is read. */
  readonly onTooMuch: () => void;
}

/** Unit: bytes. */
export interface ReaderLimits {
  /** A line or a section. */
  readonly lineBytes: number;
  readonly unpackedBytes: number;
}

export interface BatchReader {
  feed(piece: Uint8Array): void;
  /** Nothing more comes: unpacks what was packed. */
  end(): void;
}

/**
 * Reads a batch's stdout as it comes. Lines without the nonce are noise, whatever they look like; a line with the nonce that
 * is not one of ours is reported through `onBroken`, for nobody but the batch's own script can know the nonce. What a section printed
 * stands between its line and a mark as it is. All that follows the line `packed` is one gzip stream of such lines, and unpacked has
 * at most `unpackedBytes`.
 */
export function readBatch(
  nonce: string,
  { lineBytes, unpackedBytes }: ReaderLimits,
  handlers: BatchHandlers,
): BatchReader {
  let section = 0;
  let packed: Uint8Array[] | undefined;
  const lines = new PrefixedLines(`${nonce} `, lineBytes, {
    onLine: (bytes) => {
      const text = bytes.toString('latin1');
      if (text === 'packed') {
        packed = [];
        lines.readRest();
        return;
      }
      const index = sectionPattern.exec(text)?.[1];
      if (index !== undefined) {
        section = Number(index);
        lines.readBody(sectionMark(nonce));
        return;
      }
      const line = parseLine(text);
      if (line) handlers.onLine(line);
      else handlers.onBroken(`not a line of a batch: ${text.slice(0, 60)}`);
    },
    onBody: (bytes) =>
      handlers.onLine({ type: 'section', index: section, section: sectionOutput(nonce, bytes) }),
    onRest: (piece) => packed?.push(Buffer.from(piece)),
    onTooLong: () => handlers.onBroken(`a line or a section is longer than ${lineBytes} bytes`),
  });
  return {
    feed: (piece) => lines.feed(piece),
    end: () => {
      if (packed === undefined) return;
      const unpacked = unpack(packed, unpackedBytes, handlers);
      if (unpacked !== undefined) readBatch(nonce, { lineBytes, unpackedBytes: 0 }, handlers).feed(unpacked);
    },
  };
}

/** What is there of it, where the end is missing: the batch's own end is missing then, too. */
function unpack(pieces: readonly Uint8Array[], most: number, handlers: BatchHandlers): Buffer | undefined {
  try {
    return gunzipSync(Buffer.concat(pieces), {
      maxOutputLength: most,
      finishFlush: constants.Z_SYNC_FLUSH,
    });
  } catch (error) {
    if (systemCode(error) === 'ERR_BUFFER_TOO_LARGE') handlers.onTooMuch();
    else handlers.onBroken(`what it shows cannot be unpacked: ${messageOf(error)}`);
    return undefined;
  }
}

const statuses = new Map<string, OperationStatus>(
  (['same', 'changed', 'refused', 'failed', 'skipped'] as const).map((status) => [status, status]),
);

function parseLine(text: string): BatchLine | undefined {
  const fields = text.split(' ');
  const [kind = '', first = '', second = ''] = fields;
  if (text === 'begin' || text === 'end') return { type: text };
  if (kind === 'stop' && fields.length === 3 && codePattern.test(first)) {
    const detail = decode(second);
    return detail && { type: 'stop', code: first, detail: detail.toString('utf8') };
  }
  return parseResult(fields);
}

const indexPattern = /^[0-9]{1,7}$/;
const sectionPattern = /^section ([0-9]{1,7})$/;
const codePattern = /^[a-z][a-z0-9-]{0,63}$/;

function parseResult(fields: readonly string[]): BatchLine | undefined {
  const [index = '', status = '', centiseconds = '', data = '', output = ''] = fields;
  const known = statuses.get(status);
  if (fields.length !== 5 || known === undefined) return undefined;
  if (!indexPattern.test(index) || !/^-?[0-9]{1,10}$/.test(centiseconds)) return undefined;
  const values = decode(data);
  const printed = decode(output);
  const handed = values && parseData(values);
  if (!handed || !printed) return undefined;
  const { code, message } = known === 'refused' || known === 'failed' ? handed.verdict : noVerdict;
  return {
    type: 'result',
    index: Number(index),
    result: {
      status: known,
      values: handed.values,
      ...(known === 'skipped' ? { code: 'dependency-failed' } : code === undefined ? {} : { code }),
      ...(message === undefined ? {} : { message }),
      output: printed.toString('utf8'),
      milliseconds: Math.max(0, Number(centiseconds) * 10),
    },
  };
}

interface Verdict {
  readonly code?: string;
  readonly message?: string;
}
const noVerdict: Verdict = {};

/** Triples that end in NUL each: `v` key value, `c` code message. The first code is the one that ended the step. */
function parseData(bytes: Buffer): { values: Record<string, string>; verdict: Verdict } | undefined {
  const parts = bytes.toString('utf8').split('\0');
  if (parts.pop() !== '' || parts.length % 3 !== 0) return undefined;
  const values = new Map<string, string>();
  let verdict: Verdict = { code: 'step-failed' };
  let decided = false;
  for (let at = 0; at < parts.length; at += 3) {
    const [kind, key = '', value = ''] = parts.slice(at, at + 3);
    if (kind === 'v') values.set(key, value);
    else if (kind !== 'c') return undefined;
    else if (!decided) {
      verdict = { code: codePattern.test(key) ? key : 'step-failed', message: value };
      decided = true;
    }
  }
  return { values: Object.fromEntries(values), verdict };
}

/** Base64 as `base64 -w0` writes it; `-` stands for nothing. */
function decode(text: string): Buffer | undefined {
  if (text === '-') return Buffer.alloc(0);
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined;
  return Buffer.from(text, 'base64');
}

/**
 * What the host puts behind all that a section prints. A section that was cut has none, and nothing a section shows can fake
 * it: nobody there knows the nonce.
 */
export function sectionTrailer(nonce: string, exitCode: number): string {
  return `\n${nonce} exit ${String(exitCode).padStart(3, '0')}\n`;
}

/** What the host puts behind a section, cut or not. */
export function sectionMark(nonce: string): string {
  return `\n${nonce} over\n`;
}

function sectionOutput(nonce: string, bytes: Buffer): SectionOutput {
  const start = bytes.length - sectionTrailer(nonce, 0).length;
  const end = bytes.subarray(Math.max(0, start)).toString('latin1');
  const exitCode = Number(/([0-9]{3})\n$/.exec(end)?.[1]);
  if (end !== sectionTrailer(nonce, exitCode)) return { bytes: plain(bytes), exitCode: undefined };
  return { bytes: plain(bytes.subarray(0, start)), exitCode };
}

function plain(bytes: Buffer): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}
