/**
 * Values as a provider sees them. The wire's MessagePack is converted to and from these at the edge, by schema,
 * so that provider code never meets it.
 */

/**
 * "Known after apply". Terraform sends it in configurations whose expressions are not resolved yet; a provider
 * plans it for what only Apply will learn. Never part of a stored state. Ask with `isUnknown`: one that came
 * in for a `dynamic` attribute is an object of its own, as it remembers its type.
 */
export class Unknown {
  /** Keeps objects from passing for it. */
  private readonly tag = 'unknown';
  toString(): string {
    return this.tag;
  }
  /** For logs. */
  toJSON(): string {
    return `(${this.tag})`;
  }
}

/** What to plan for a value not known yet. */
export const UNKNOWN = new Unknown();

export function isUnknown(value: TerraformValue | undefined): value is Unknown {
  return value instanceof Unknown;
}

/**
 * A number that neither a `number` nor a `bigint` holds exactly: a decimal text such as
 * `3.14159265358979323846`. What came in as one goes out as the same text.
 */
export class BigDecimal {
  readonly text: string;
  /** @throws TypeError where `text` is not a plain decimal number (sign, digits, fraction, exponent). */
  constructor(text: string) {
    if (!/^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(text)) {
      throw new TypeError(`not a decimal number: ${JSON.stringify(text.slice(0, 40))}`);
    }
    this.text = text;
  }
  toString(): string {
    return this.text;
  }
}

/** Integers a `number` holds exactly are numbers, other integers bigints, other decimals a `BigDecimal`. */
export type NumberValue = number | bigint | BigDecimal;

/** An object, a map, a nested attribute with nesting `single` or `map`. */
export interface ObjectValue {
  readonly [name: string]: TerraformValue;
}

/** A list, set or tuple. Sets are arrays whose order means nothing; equal elements count once. */
export type ListValue = readonly TerraformValue[];

export type TerraformValue = null | Unknown | boolean | string | NumberValue | ListValue | ObjectValue;

/** True for objects, maps and nested objects; a `BigDecimal` is a number, and what is unknown is none. */
export function isObject(value: TerraformValue | undefined): value is ObjectValue {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof BigDecimal) &&
    !(value instanceof Unknown)
  );
}

export function isList(value: TerraformValue | undefined): value is ListValue {
  return Array.isArray(value);
}

export function isNumber(value: TerraformValue | undefined): value is NumberValue {
  return typeof value === 'number' || typeof value === 'bigint' || value instanceof BigDecimal;
}

/** True where nothing inside is unknown. */
export function isWhollyKnown(value: TerraformValue): boolean {
  if (isUnknown(value)) return false;
  if (isList(value)) return value.every(isWhollyKnown);
  if (isObject(value)) return Object.values(value).every(isWhollyKnown);
  return true;
}

/** The string, or `undefined` where it is anything else: null, unknown, another type. */
export function textOf(value: TerraformValue | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** The number, or `undefined` where it is anything else or does not fit a `number` exactly. */
export function numberOf(value: TerraformValue | undefined): number | undefined {
  return typeof value === 'number' ? value : undefined;
}

/** The object or map, or `undefined` where it is anything else. */
export function objectOf(value: TerraformValue | undefined): ObjectValue | undefined {
  return isObject(value) ? value : undefined;
}
