import { constants, gunzipSync } from 'node:zlib';
import type { OperationResult, OperationStatus } from '../model/operation.ts';
import { messageOf } from '../model/system-error.ts';
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

export interface ReaderLimits {
  /** A line, or a section as it travels and unpacked. Unit: bytes. */
  readonly lineBytes: number;
  /** How many were asked for. */
  readonly sections: number;
}

export interface BatchReader {
  feed(piece: Uint8Array): void;
}

/**
 * Reads a batch's stdout as it comes. Lines without the nonce are noise, whatever they look like; a line with the nonce that
 * is not one of ours is reported through `onBroken`, for nobody but the batch's own script can know the nonce. What a section printed
 * stands between its line and a mark as it is, or as a gzip stream; of each section that is unpacked once at most.
 */
export function readBatch(
  nonce: string,
  { lineBytes, sections }: ReaderLimits,
  handlers: { readonly onLine: (line: BatchLine) => void; readonly onBroken: (what: string) => void },
): BatchReader {
  let section = 0;
  let isPacked = false;
  const unpacked = new Set<number>();
  const unpack = (body: Buffer): Buffer | undefined => {
    if (section >= sections || unpacked.has(section)) {
      handlers.onBroken(`a section nobody asked for, or a second time: ${section}`);
      return undefined;
    }
    unpacked.add(section);
    try {
      // of one that breaks off there is what came: it lacks its trailer then, like each that was cut
      return gunzipSync(body, { maxOutputLength: lineBytes, finishFlush: constants.Z_SYNC_FLUSH });
    } catch (error) {
      handlers.onBroken(`section ${section} cannot be unpacked: ${messageOf(error)}`);
      return undefined;
    }
  };
  const lines = new PrefixedLines(`${nonce} `, lineBytes, {
    onLine: (bytes) => {
      const text = bytes.toString('latin1');
      const [, kind, index] = sectionPattern.exec(text) ?? [];
      if (index !== undefined) {
        section = Number(index);
        isPacked = kind === 'packed';
        lines.readBody(sectionMark(nonce));
        return;
      }
      const line = parseLine(text);
      if (line) handlers.onLine(line);
      else handlers.onBroken(`not a line of a batch: ${text.slice(0, 60)}`);
    },
    onBody: (body) => {
      const bytes = isPacked ? unpack(body) : body;
      if (bytes === undefined) return;
      handlers.onLine({ type: 'section', index: section, section: sectionOutput(nonce, bytes) });
    },
    onTooLong: () => handlers.onBroken(`a line or a section is longer than ${lineBytes} bytes`),
  });
  return lines;
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
const sectionPattern = /^(section|packed) ([0-9]{1,7})$/;
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
