import { BigDecimal, type NumberValue } from './values.ts';

/** JSON with numbers kept exactly: integers past 53 bits as bigint, other exact decimals as `BigDecimal`. */
export type JsonValue =
  | null
  | boolean
  | string
  | number
  | bigint
  | BigDecimal
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue };

const MAX_DEPTH = 200;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const STRING = /"(?:[^"\\\u0000-\u001f]|\\.)*"/y;
const SPACE = /[ \t\n\r]*/y;

/**
 * Parses JSON as `JSON.parse` does, except that no number loses digits.
 * @throws SyntaxError on anything but one JSON value, or on more than 200 levels.
 */
export function parseJson(text: string): JsonValue {
  const parser = new Parser(text);
  const value = parser.value(0);
  parser.end();
  return value;
}

/** The exact value of a decimal text, as the simplest type that holds it. */
export function exactNumber(text: string): NumberValue {
  if (/^-?\d+$/.test(text)) {
    const integer = BigInt(text);
    const number = Number(integer);
    return Number.isSafeInteger(number) ? number : integer;
  }
  const number = Number(text);
  return Number.isFinite(number) && canonicalDecimal(String(number)) === canonicalDecimal(text)
    ? number
    : new BigDecimal(text);
}

/** One text per mathematical value: `1.50`, `15e-1` and `1.5` are all `15e-1`. */
export function canonicalDecimal(text: string): string {
  const match = /^([+-]?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text);
  if (match === null) return text;
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match;
  const digits = `${whole}${fraction}`.replace(/^0+/, '');
  const significant = withoutTrailingZeros(digits);
  if (significant === '') return '0';
  const power = Number(exponent) - fraction.length + (digits.length - significant.length);
  return `${sign === '-' ? '-' : ''}${significant}e${power}`;
}

/** Linear, where a pattern for it would be quadratic in a long run of zeros. */
function withoutTrailingZeros(digits: string): string {
  let end = digits.length;
  while (digits[end - 1] === '0') end -= 1;
  return digits.slice(0, end);
}

class Parser {
  private position = 0;
  private readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  value(depth: number): JsonValue {
    if (depth > MAX_DEPTH) throw new SyntaxError(`JSON is nested more than ${MAX_DEPTH} levels deep`);
    this.take(SPACE);
    const next = this.text[this.position];
    if (next === '{') return this.object(depth);
    if (next === '[') return this.array(depth);
    if (next === '"') return this.string();
    for (const [word, value] of [
      ['true', true],
      ['false', false],
      ['null', null],
    ] as const) {
      if (this.text.startsWith(word, this.position)) {
        this.position += word.length;
        return value;
      }
    }
    const number = this.take(NUMBER);
    if (number === undefined) this.fail();
    return exactNumber(number);
  }

  end(): void {
    this.take(SPACE);
    if (this.position < this.text.length) this.fail();
  }

  private object(depth: number): JsonValue {
    const entries: [string, JsonValue][] = [];
    this.position += 1;
    if (!this.skip('}')) {
      do {
        this.take(SPACE);
        const name = this.string();
        if (!this.skip(':')) this.fail();
        entries.push([name, this.value(depth + 1)]);
      } while (this.skip(','));
      if (!this.skip('}')) this.fail();
    }
    return Object.fromEntries(entries);
  }

  private array(depth: number): JsonValue {
    const items: JsonValue[] = [];
    this.position += 1;
    if (!this.skip(']')) {
      do items.push(this.value(depth + 1));
      while (this.skip(','));
      if (!this.skip(']')) this.fail();
    }
    return items;
  }

  private string(): string {
    const quoted = this.take(STRING);
    if (quoted === undefined) this.fail();
    return JSON.parse(quoted) as string;
  }

  private skip(character: string): boolean {
    this.take(SPACE);
    if (this.text[this.position] !== character) return false;
    this.position += 1;
    return true;
  }

  private take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.position;
    const found = pattern.exec(this.text)?.[0];
    this.position += found?.length ?? 0;
    return found;
  }

  private fail(): never {
    throw new SyntaxError(`unexpected JSON at character ${this.position}`);
  }
}
