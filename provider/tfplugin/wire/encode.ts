import { encode, ExtensionCodec } from '@msgpack/msgpack';
import { type AttributePath, showPath } from '../diagnostics.ts';
import { canonical } from '../equal.ts';
import type { DynamicValue } from '../generated/tfplugin6.ts';
import type { AttributeType, Schema } from '../schema.ts';
import {
  BigDecimal,
  isList,
  isObject,
  isUnknown,
  type ObjectValue,
  type TerraformValue,
  UNKNOWN,
} from '../values.ts';
import { dynamicTypeOf } from './dynamic-types.ts';
import { objectType, showType, typeToBytes } from './types.ts';

const extensions = new ExtensionCodec();
extensions.register({
  type: 0,
  encode: (value) => (value === UNKNOWN ? new Uint8Array([0]) : null),
  decode: () => UNKNOWN,
});

/**
 * A schema's object for the wire. Attributes left out are null.
 * @throws TypeError where a value does not fit its type or no attribute has that name: a mistake in the provider.
 */
export function encodeObject(value: ObjectValue | null, schema: Schema): DynamicValue {
  return encodeValue(value, objectType(schema.attributes));
}

export function encodeValue(value: TerraformValue, type: AttributeType): DynamicValue {
  const bytes = encode(prepare(value, type, []), { useBigInt64: true, extensionCodec: extensions });
  return { msgpack: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), json: Buffer.alloc(0) };
}

function prepare(value: TerraformValue | undefined, type: AttributeType, path: AttributePath): unknown {
  if (value === null || value === undefined) return null;
  if (isUnknown(value)) {
    const actual = type === 'dynamic' ? dynamicTypeOf(value) : 'dynamic';
    return actual === 'dynamic' ? UNKNOWN : [typeToBytes(actual), UNKNOWN];
  }
  if (type === 'string') return typeof value === 'string' ? value : mismatch(value, type, path);
  if (type === 'bool') return typeof value === 'boolean' ? value : mismatch(value, type, path);
  if (type === 'number') return number(value, path);
  if (type === 'dynamic') {
    const actual = dynamicTypeOf(value);
    return [typeToBytes(actual), prepare(value, actual, path)];
  }
  if ('object' in type) return fields(value, type, path);
  if ('map' in type) {
    if (!isObject(value)) return mismatch(value, type, path);
    const entries = Object.entries(value);
    return Object.fromEntries(entries.map(([key, one]) => [key, prepare(one, type.map, [...path, key])]));
  }
  if (!isList(value)) return mismatch(value, type, path);
  if ('tuple' in type) {
    if (value.length !== type.tuple.length) return mismatch(value, type, path);
    return type.tuple.map((element, index) => prepare(value[index], element, [...path, index]));
  }
  if ('list' in type) return value.map((item, index) => prepare(item, type.list, [...path, index]));
  return distinct(value, type.set).map((item, index) => prepare(item, type.set, [...path, index]));
}

function fields(
  value: TerraformValue,
  type: { readonly object: Readonly<Record<string, AttributeType>> },
  path: AttributePath,
): unknown {
  if (!isObject(value)) return mismatch(value, type, path);
  for (const name of Object.keys(value)) {
    if (!(name in type.object))
      throw new TypeError(`the schema has no attribute ${showPath([...path, name])}`);
  }
  const entries = Object.entries(type.object).map(
    ([name, field]) => [name, prepare(value[name], field, [...path, name])] as const,
  );
  return Object.fromEntries(entries);
}

function distinct(values: readonly TerraformValue[], element: AttributeType): readonly TerraformValue[] {
  return [
    ...new Map(values.map((value): [string, TerraformValue] => [canonical(value, element), value])).values(),
  ];
}

/** Fractions go as decimal text: a binary 0.1 would not equal the 0.1 of a configuration. */
function number(value: TerraformValue, path: AttributePath): unknown {
  if (value instanceof BigDecimal) return value.text;
  if (typeof value === 'bigint') return BigInt.asIntN(64, value) === value ? value : value.toString();
  if (typeof value !== 'number' || !Number.isFinite(value)) return mismatch(value, 'number', path);
  return Number.isSafeInteger(value) ? value : String(value);
}

function mismatch(value: TerraformValue, type: AttributeType, path: AttributePath): never {
  const found = isList(value) ? 'a list' : isObject(value) ? 'an object' : `a ${typeof value}`;
  const where = path.length === 0 ? 'the value' : showPath(path);
  throw new TypeError(`${where} should be ${showType(type)} but is ${found}`);
}
