import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadDefinitions } from '../../../provider/definitions/load.ts';

const folder = 'test/corpus/definitions';
const files = readdirSync(folder).sort();

/** Each file begins with what is wrong with it: `# expect: LINE:COLUMN words of the message`, a line for each problem, in order. */
function expectations(file: string): readonly { readonly place: string; readonly words: string }[] {
  const text = readFileSync(file, 'latin1');
  return [...text.matchAll(/^# expect: (\S+) ?(.*)$/gm)].map(([, place = '', words = '']) => ({
    place,
    words,
  }));
}

describe('broken definitions', () => {
  it('are two hundred and more', () => {
    expect(files.length).toBeGreaterThanOrEqual(200);
  });

  it.each(files)('%s', (name) => {
    const file = path.join(folder, name);
    const expected = expectations(file);
    const read = loadDefinitions([file]);
    const found = read.ok ? [] : read.diagnostics;
    expect(found.map(({ source }) => `${source?.line}:${source?.column}`)).toEqual(
      expected.map(({ place }) => place),
    );
    for (const [index, { summary, hint = '', source }] of found.entries()) {
      expect(summary).toContain(expected[index]?.words);
      expect(source?.file).toBe(file);
      // Nothing of a file moves a cursor, and no exception shows.
      expect(`${summary} ${hint}`).toMatch(/^[\x20-\x7e…]+$/);
      expect(`${summary} ${hint}`).not.toMatch(/\bat .*:\d+:\d+|undefined|\[object|hunter2|123456/);
      expect(summary.length + hint.length).toBeLessThan(800);
    }
  });
});
