import { describe, expect, test } from 'vitest';
import { canonicalDecimal, exactNumber, parseJson } from '../../../provider/tfplugin/json.ts';
import { BigDecimal } from '../../../provider/tfplugin/values.ts';

describe('parseJson', () => {
  test('keeps every digit', () => {
    expect(parseJson('[9007199254740993, 1, 0.1, 1e400, 3.14159265358979323846, -0]')).toEqual([
      9007199254740993n,
      1,
      0.1,
      new BigDecimal('1e400'),
      new BigDecimal('3.14159265358979323846'),
      0,
    ]);
  });

  test('takes a name Object.prototype knows for a name', () => {
    const parsed = parseJson('{"__proto__": 1, "constructor": {"a": null}}');
    expect(Object.entries(parsed as object)).toEqual([
      ['__proto__', 1],
      ['constructor', { a: null }],
    ]);
  });

  for (const text of [
    '',
    '{',
    '[1,]',
    '{"a" 1}',
    '01',
    '1 2',
    '"\n"',
    "'a'",
    'nul',
    '{1:2}',
    '[1',
    '"\\x"',
  ]) {
    test(`refuses ${JSON.stringify(text)}`, () => {
      expect(() => parseJson(text)).toThrow(SyntaxError);
    });
  }

  test('refuses endless nesting without running out of stack', () => {
    expect(() => parseJson('['.repeat(100_000))).toThrow(/more than 200 levels/);
  });
});

test('numbers that mean the same have the same canonical text', () => {
  for (const same of [
    ['1.50', '15e-1', '1.5', '0.15e1'],
    ['0', '-0', '0.000', '0e9'],
    ['100', '1e2', '1E+2'],
    ['-2.5', '-25e-1'],
  ]) {
    expect(new Set(same.map(canonicalDecimal)).size, same.join()).toBe(1);
  }
  expect(canonicalDecimal('1')).not.toBe(canonicalDecimal('-1'));
});

test('a number is the simplest type that holds it', () => {
  expect(exactNumber('0.0000001')).toBe(1e-7);
  expect(exactNumber('9007199254740991')).toBe(9007199254740991);
  expect(exactNumber('9007199254740992')).toBe(9007199254740992n);
  expect(exactNumber('0.30000000000000000001')).toEqual(new BigDecimal('0.30000000000000000001'));
});
