import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  readBatch,
  sectionMark,
  sectionTrailer,
  type BatchLine,
} from '../../../provider/executor/results.ts';

const nonce = 'abcdef0123456789abcdef0123456789';

function read(stdout: Uint8Array, cuts: readonly number[] = []) {
  const lines: BatchLine[] = [];
  const broken: string[] = [];
  const limits = { lineBytes: 100_000, sections: 10 };
  const reader = readBatch(nonce, limits, {
    onLine: (line) => lines.push(line),
    onBroken: (what) => broken.push(what),
  });
  let from = 0;
  for (const cut of [...cuts.map((cut) => cut % (stdout.length + 1)).sort((a, b) => a - b), stdout.length]) {
    reader.feed(stdout.subarray(from, cut));
    from = cut;
  }
  return { lines, broken };
}

const base64 = (bytes: Uint8Array | string) => Buffer.from(bytes).toString('base64') || '-';
const noNul = fc.string({ unit: 'grapheme', maxLength: 60 }).map((text) => text.replaceAll('\0', ''));
const key = fc.stringMatching(/^[A-Za-z0-9_.-]{1,20}$/);

const result = fc.record({
  index: fc.nat(9_999_999),
  status: fc.constantFrom('same', 'changed', 'refused', 'failed'),
  centiseconds: fc.nat(100_000),
  values: fc.dictionary(key, noNul, { noNullPrototype: true }),
  code: fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/),
  message: noNul,
  output: fc.string({ unit: 'grapheme' }),
});

test('results come back as they were sent, however the stream is cut and whatever noise surrounds them', () => {
  const noise = fc
    .uint8Array({ maxLength: 80 })
    .filter((bytes) => !Buffer.from(bytes).toString('latin1').includes(nonce));
  fc.assert(
    fc.property(fc.array(fc.tuple(result, noise)), fc.array(fc.nat()), (all, cuts) => {
      const stdout = all.flatMap(([one, before]) => {
        const values = Object.entries(one.values).map(([name, value]) => `v\0${name}\0${value}\0`);
        const data = `${values.join('')}c\0${one.code}\0${one.message}\0`;
        const line = `${nonce} ${one.index} ${one.status} ${one.centiseconds} ${base64(data)} ${base64(one.output)}`;
        return [Buffer.from(before), Buffer.from(`\n${line}\n`)];
      });
      const { lines, broken } = read(Buffer.concat(stdout), cuts);
      expect(broken).toEqual([]);
      expect(lines).toEqual(
        all.map(([one]) => {
          const bad = one.status === 'failed' || one.status === 'refused';
          return {
            type: 'result',
            index: one.index,
            result: {
              status: one.status,
              values: one.values,
              ...(bad ? { code: one.code, message: one.message } : {}),
              output: one.output,
              milliseconds: one.centiseconds * 10,
            },
          };
        }),
      );
    }),
  );
});

/** Bytes that often hold parts of what ends a section. */
const printed = fc.oneof(
  fc.uint8Array(),
  fc
    .array(
      fc.oneof(
        fc.constantFrom('\n', nonce, ' over', `\n${nonce} ove`, `${nonce} end\n`, `${nonce} over`, '\0'),
        fc.string(),
      ),
    )
    .map((parts) => new Uint8Array(Buffer.from(parts.join('')))),
);

test('sections come back byte for byte, however the stream is cut, and only with the right trailer as whole', () => {
  fc.assert(
    fc.property(printed, fc.nat(255), fc.nat(60), fc.array(fc.nat()), (bytes, exitCode, cut, cuts) => {
      const trailer = sectionTrailer(nonce, exitCode);
      const sent = Buffer.concat([bytes, Buffer.from(trailer)]);
      const lost = Math.min(cut, sent.length);
      const shown = sent.subarray(0, sent.length - lost);
      fc.pre(!Buffer.concat([shown, Buffer.from('\n')]).includes(sectionMark(nonce)));
      const stream = [`${nonce} section 3\n`, shown, sectionMark(nonce), `${nonce} end\n`];
      const { lines, broken } = read(Buffer.concat(stream.map((part) => Buffer.from(part))), cuts);
      const section =
        lost === 0
          ? { bytes: new Uint8Array(bytes), exitCode }
          : { bytes: new Uint8Array(shown), exitCode: undefined };
      expect({ lines, broken }).toEqual({
        lines: [{ type: 'section', index: 3, section }, { type: 'end' }],
        broken: [],
      });
    }),
  );
});

const packed = (index: number, bytes: Uint8Array) =>
  Buffer.concat([Buffer.from(`${nonce} packed ${index}\n`), bytes, Buffer.from(sectionMark(nonce))]);

test('what was packed comes back as it was, however the stream is cut', () => {
  fc.assert(
    fc.property(
      fc.uint8Array(),
      fc.nat(9),
      fc.nat(255),
      fc.array(fc.nat()),
      (bytes, index, exitCode, cuts) => {
        const whole = gzipSync(Buffer.concat([bytes, Buffer.from(sectionTrailer(nonce, exitCode))]));
        const { lines, broken } = read(
          Buffer.concat([packed(index, whole), Buffer.from(`${nonce} end\n`)]),
          cuts,
        );
        const section = { bytes: new Uint8Array(bytes), exitCode };
        expect({ lines, broken }).toEqual({
          lines: [{ type: 'section', index, section }, { type: 'end' }],
          broken: [],
        });
      },
    ),
  );
});

test('what is no gzip stream, or too much unpacked, gives no section and is told', () => {
  const text = Buffer.from(`some text${sectionTrailer(nonce, 0)}`);
  const flood = gzipSync(Buffer.alloc(100_001));
  expect(flood.length).toBeLessThan(1000);
  for (const stream of [text, flood]) {
    const { lines, broken } = read(packed(3, stream));
    expect(lines).toEqual([]);
    expect(broken).toEqual([expect.stringMatching(/^section 3 cannot be unpacked: /)]);
  }
});

test('a packed section that breaks off is one that was cut', () => {
  const text = `${Array.from({ length: 500 }, (_, index) => `line ${index}\n`).join('')}${sectionTrailer(nonce, 7)}`;
  const whole = gzipSync(text);
  fc.assert(
    fc.property(fc.nat(whole.length - 9), (length) => {
      const { lines, broken } = read(packed(3, whole.subarray(0, length)));
      expect(broken).toEqual([]);
      expect(lines).toHaveLength(1);
      const [line] = lines;
      if (line?.type !== 'section') throw new Error('no section');
      const { bytes, exitCode } = line.section;
      // the checksum of gzip is behind the last byte of the text, and ssh has one of its own
      if (exitCode === undefined) expect(text.startsWith(Buffer.from(bytes).toString('latin1'))).toBe(true);
      else expect(length).toBeGreaterThan(whole.length - 20);
    }),
  );
  expect(read(packed(3, whole)).lines).toMatchObject([{ section: { exitCode: 7 } }]);
});

test('a section is unpacked once, and none that nobody asked for', () => {
  const whole = gzipSync(`text${sectionTrailer(nonce, 0)}`);
  const { lines, broken } = read(Buffer.concat([packed(9, whole), packed(9, whole), packed(10, whole)]));
  expect(lines).toHaveLength(1);
  expect(broken).toEqual([
    'a section nobody asked for, or a second time: 9',
    'a section nobody asked for, or a second time: 10',
  ]);
});

test('a section that does not come to its end is none', () => {
  expect(
    read(Buffer.from(`${nonce} section 3\nsomething\n${nonce} exit 000\n\n${nonce} end\n`)).lines,
  ).toEqual([]);
});

test('a section longer than allowed is given up, what follows is read', () => {
  fc.assert(
    fc.property(fc.integer({ min: 100_001, max: 300_000 }), fc.array(fc.nat()), (length, cuts) => {
      const stdout = `${nonce} section 1\n${'x'.repeat(length)}${sectionMark(nonce)}${nonce} end\n`;
      const { lines, broken } = read(Buffer.from(stdout), cuts);
      expect([lines, broken.length]).toEqual([[{ type: 'end' }], 1]);
    }),
    { numRuns: 20 },
  );
});

test('no bytes whatever make a line without the nonce, and none crash the reader', () => {
  const forged = fc
    .array(
      fc.oneof(
        fc.constantFrom(
          'begin',
          'end',
          ' ',
          '\n',
          '0',
          'same',
          'changed',
          '-',
          'section',
          nonce.slice(0, 31),
          'x',
        ),
        fc.string(),
      ),
    )
    .map((parts) => parts.join(' '))
    .filter((text) => !text.includes(`${nonce} `));
  fc.assert(
    fc.property(forged, fc.array(fc.nat()), (text, cuts) => {
      expect(read(Buffer.from(text), cuts)).toEqual({ lines: [], broken: [] });
    }),
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(forged, fc.constant(`\n${nonce} `))), (parts) => {
      const { lines, broken } = read(Buffer.from(parts.join('')));
      expect(lines.length + broken.length).toBeLessThanOrEqual(parts.length);
    }),
  );
});

test('a line longer than allowed is given up, the next one is read', () => {
  fc.assert(
    fc.property(fc.integer({ min: 100_001, max: 300_000 }), fc.array(fc.nat()), (length, cuts) => {
      const stdout = `${nonce} ${'x'.repeat(length)}\n${nonce} end\n`;
      const { lines, broken } = read(Buffer.from(stdout), cuts);
      expect([lines, broken.length]).toEqual([[{ type: 'end' }], 1]);
    }),
    { numRuns: 20 },
  );
});
