import { LineCounter } from 'yaml';
import { describe, expect, it } from 'vitest';
import { compose } from '../../../provider/spec/yaml/compose.ts';
import { maxProblems } from '../../../provider/spec/yaml/limits.ts';
import { TokenReader } from '../../../provider/spec/yaml/tokens.ts';
import { read } from './read.fixture.ts';

const errorsOf = (text: string) => compose(text, new LineCounter()).complaints.length;

describe('what one file may cost', () => {
  it.each([
    ['errors inside of a document', `a: [${','.repeat(5000)}]`],
    ['errors behind its end', `a: 1\n${']'.repeat(5000)}`],
    ['errors of directives', '%YAML 1.2\n'.repeat(5000)],
    ['warnings', `a: [${'!x 1, '.repeat(5000)}]`],
  ])('%s end at a number', (_what, text) => {
    const errors = errorsOf(text);
    expect(errors).toBeGreaterThan(0);
    expect(errors).toBeLessThanOrEqual(2 * maxProblems);
    expect(read(text).ok).toBe(false);
  });

  it('documents behind the second are not read', () => {
    expect(compose('--- 1\n'.repeat(5000), new LineCounter()).documents).toHaveLength(2);
  });

  it('tokens end at a number, at a place', () => {
    const reader = new TokenReader('a: 1\n'.repeat(100), new LineCounter(), 50);
    expect([...reader.read()]).toEqual([]);
    expect(reader.tooMany).toBeGreaterThan(0);
    expect(reader.tooMany).toBeLessThan(100);
  });

  it('nesting ends at a depth, however it is written', () => {
    for (const open of ['[', '{a: ', '- ', '? ', '? - ']) {
      const reader = new TokenReader(open.repeat(100_000), new LineCounter());
      expect([...reader.read()].filter(({ type }) => type === 'document')).toEqual([]);
      expect(reader.tooDeep).toBeLessThan(500);
    }
  });

  it('suggestions are left out where there are too many names and problems', { timeout: 60_000 }, () => {
    const profiles = Array.from({ length: 3000 }, (_, index) => `  p${index}: {profile: q${index}}`).join(
      '\n',
    );
    const found = read(`profiles:\n${profiles}`);
    const hints = (found.ok ? [] : found.diagnostics).map(({ hint }) => hint);
    expect(hints[0]).toMatch(/^Did you mean p0\?$/);
    expect(hints.at(-2)).toBeUndefined();
  });
});
