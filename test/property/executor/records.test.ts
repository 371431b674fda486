import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  parseRecord,
  RecordValueError,
  recordKeyPattern,
  recordValuePattern,
  recordWrite,
} from '../../../provider/model/record.ts';

const value = fc.stringMatching(/^[A-Za-z0-9._:+/=-]{1,40}$/);
const values = fc
  .dictionary(fc.stringMatching(/^[a-z][a-z0-9_]{0,20}$/), value, { noNullPrototype: true })
  .chain((more) =>
    fc
      .record({ owner: value, generation: fc.integer({ min: 1 }).map(String) })
      .map((fixed) => ({ ...more, ...fixed })),
  );

test('a well-formed record gives back what it holds', () => {
  fc.assert(
    fc.property(values, (all) => {
      const lines = Object.entries(all).map(([key, one]) => `${key} ${one}\n`);
      const parsed = parseRecord(Buffer.from(`stockade-record 1\n${lines.join('')}`));
      expect(parsed.ok && Object.fromEntries(parsed.value.values)).toEqual(all);
      expect(parsed.ok && parsed.value.generation).toBe(Number(all.generation));
    }),
  );
});

test('any bytes are either a record of safe characters or a diagnostic', () => {
  const row = fc.oneof(
    fc.constantFrom(
      'owner me',
      'generation 1',
      'digest x',
      '',
      ' ',
      'owner  a',
      'x $(y)',
      'stockade-record 1',
    ),
    fc.string(),
  );
  const text = fc.array(row).map((rows) => Buffer.from(['stockade-record 1', ...rows, ''].join('\n')));
  fc.assert(
    fc.property(fc.oneof(text, fc.uint8Array()), (bytes) => {
      const parsed = parseRecord(bytes);
      if (!parsed.ok) {
        expect(parsed.diagnostics[0]?.code).toBe('record-damaged');
        return;
      }
      for (const [key, one] of parsed.value.values) {
        expect(key).toMatch(recordKeyPattern);
        expect(one).toMatch(recordValuePattern);
      }
    }),
  );
});

test('what could not be read back is not written', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (key, one) => {
      const fits = recordKeyPattern.test(key) && recordValuePattern.test(one);
      const write = () => recordWrite('/a/b', { [key]: one }).text;
      if (fits) expect(write()).toContain(one);
      else expect(write).toThrow(RecordValueError);
    }),
  );
});
