import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { configString } from '../../provider/toolstacks/xl/config.ts';

const escaped: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r' };

/** As xl reads a string: up to the first quote that has no backslash before it. */
function read(text: string): string {
  const [, inside = ''] = /^"((?:[^"\\\n]|\\.)*)"$/.exec(text) ?? [];
  return inside.replaceAll(/\\(.)/g, (_, letter: string) => escaped[letter] ?? letter);
}

describe('a string of xl.cfg', () => {
  it('is read as it was, whatever it holds, and ends where it ends', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (given) => {
        const text = given.replaceAll(/[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/g, '');
        expect(read(configString(text))).toBe(text);
      }),
    );
  });

  it('cannot hold NUL, nor other control characters', () => {
    expect(() => configString('a\0b')).toThrow('control');
    expect(() => configString('a\x1bb')).toThrow('control');
  });
});
