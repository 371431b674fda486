import { decode, ExtensionCodec } from '@msgpack/msgpack';
import { type AttributePath, showPath } from '../diagnostics.ts';
import type { DynamicValue } from '../generated/tfplugin6.ts';
import { exactNumber, type JsonValue, parseJson } from '../json.ts';
import type { AttributeType, Schema } from '../schema.ts';
import { BigDecimal, type ObjectValue, type TerraformValue, Unknown, UNKNOWN } from '../values.ts';
import { rememberType } from './dynamic-types.ts';
import { objectType, showType, typeFromJson } from './types.ts';

/** Extension 0 is a plain unknown; 12 is one with refinements ("not null", "starts with"), which are left aside. */
const extensions = new ExtensionCodec();
for (const type of [0, 12]) extensions.register({ type, encode: () => null, decode: () => UNKNOWN });

/** The values of a schema's object; null where the object is null (no prior state, no planned state). */
export function decodeObject(value: DynamicValue | undefined, schema: Schema): ObjectValue | null {
  const decoded = decodeValue(value, objectType(schema.attributes));
  if (decoded === null) return null;
  if (typeof decoded !== 'object') throw new TypeError('expected an object or null');
  return decoded as ObjectValue;
}

export function decodeValue(value: DynamicValue | undefined, type: AttributeType): TerraformValue {
  if (value === undefined) return null;
  if (value.msgpack.length > 0) {
    return convert(decode(value.msgpack, { useBigInt64: true, extensionCodec: extensions }), type, []);
  }
  return value.json.length > 0 ? fromJson(parseJson(value.json.toString('utf8')), type) : null;
}

/** A JSON value (of a stored state) as a value of `type`. */
function fromJson(json: JsonValue, type: AttributeType): TerraformValue {
  return convert(json, type, []);
}

function convert(raw: unknown, type: AttributeType, path: AttributePath): TerraformValue {
  if (raw === null || raw === undefined) return null;
  if (raw === UNKNOWN) return UNKNOWN;
  if (type === 'string' && typeof raw === 'string') return raw;
  if (type === 'bool' && typeof raw === 'boolean') return raw;
  if (type === 'number') return number(raw, path);
  if (type === 'dynamic') return dynamic(raw, path);
  if (typeof type === 'string') return mismatch(type, path);
  if ('object' in type) return fields(raw, type, path);
  if ('map' in type) {
    const entries = Object.entries(record(raw, type, path));
    return Object.fromEntries(entries.map(([key, one]) => [key, convert(one, type.map, [...path, key])]));
  }
  if (!Array.isArray(raw)) return mismatch(type, path);
  const items = raw as readonly unknown[];
  if ('tuple' in type) {
    if (items.length !== type.tuple.length) return mismatch(type, path);
    return type.tuple.map((element, index) => convert(items[index], element, [...path, index]));
  }
  const element = 'list' in type ? type.list : type.set;
  return items.map((item, index) => convert(item, element, [...path, index]));
}

function fields(
  raw: unknown,
  type: { readonly object: Readonly<Record<string, AttributeType>> },
  path: AttributePath,
): ObjectValue {
  const source = record(raw, type, path);
  const entries = Object.entries(type.object).map(
    ([name, field]) => [name, convert(source[name], field, [...path, name])] as const,
  );
  return Object.fromEntries(entries);
}

function record(raw: unknown, type: AttributeType, path: AttributePath): Readonly<Record<string, unknown>> {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) return mismatch(type, path);
  return raw as Readonly<Record<string, unknown>>;
}

/** MessagePack integers and floats, and decimal strings for what fits neither. */
function number(raw: unknown, path: AttributePath): TerraformValue {
  if (typeof raw === 'number' || raw instanceof BigDecimal) return raw;
  if (typeof raw === 'bigint') return exactNumber(raw.toString());
  if (typeof raw === 'string' && /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(raw)) return exactNumber(raw);
  return mismatch('number', path);
}

/** MessagePack: `[type as JSON bytes, value]`; in a stored JSON state: `{ "type": …, "value": … }`. */
function dynamic(raw: unknown, path: AttributePath): TerraformValue {
  const pair: readonly unknown[] = Array.isArray(raw) ? (raw as unknown[]) : jsonPair(raw, path);
  const [encoded, inner] = pair;
  const json: unknown =
    encoded instanceof Uint8Array ? JSON.parse(Buffer.from(encoded).toString('utf8')) : encoded;
  const type = typeFromJson(json);
  const value = inner === UNKNOWN ? new Unknown() : convert(inner, type, path);
  rememberType(value, type);
  return value;
}

function jsonPair(raw: unknown, path: AttributePath): readonly unknown[] {
  const { type, value } = record(raw, 'dynamic', path);
  return [type, value];
}

function mismatch(type: AttributeType, path: AttributePath): never {
  throw new TypeError(`${path.length === 0 ? 'the value' : showPath(path)} is not a ${showType(type)}`);
}
