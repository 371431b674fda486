import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonical } from '../../provider/tfplugin/equal.ts';
import { parseJson } from '../../provider/tfplugin/json.ts';
import type { AttributeType } from '../../provider/tfplugin/schema.ts';
import { BigDecimal, type TerraformValue, UNKNOWN } from '../../provider/tfplugin/values.ts';
import { decodeValue } from '../../provider/tfplugin/wire/decode.ts';
import { encodeValue } from '../../provider/tfplugin/wire/encode.ts';
import { typeFromJson, typeToJson } from '../../provider/tfplugin/wire/types.ts';

const name = fc.stringMatching(/^[a-z_][a-z0-9_]{0,8}$/).filter((text) => text !== '__proto__');
const types: fc.Arbitrary<AttributeType> = fc.letrec<{ type: AttributeType }>((tie) => ({
  type: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.constantFrom<AttributeType>('string', 'number', 'bool'),
    tie('type').map((list) => ({ list })),
    tie('type').map((set) => ({ set })),
    tie('type').map((map) => ({ map })),
    fc.dictionary(name, tie('type'), { maxKeys: 3, noNullPrototype: true }).map((object) => ({ object })),
    fc.array(tie('type'), { maxLength: 3 }).map((tuple) => ({ tuple })),
  ),
})).type;

const numbers = fc.oneof(
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.bigInt(),
  fc.tuple(fc.bigInt(), fc.nat(40)).map(([digits, places]) => new BigDecimal(`${digits}e-${places}`)),
);

function valuesOf(type: AttributeType): fc.Arbitrary<TerraformValue> {
  const known = (): fc.Arbitrary<TerraformValue> => {
    if (type === 'string') return fc.string({ unit: 'binary' });
    if (type === 'bool') return fc.boolean();
    if (type === 'number') return numbers;
    if (typeof type === 'string') return fc.constant(null);
    if ('list' in type) return fc.array(valuesOf(type.list), { maxLength: 4 });
    if ('set' in type) return fc.array(valuesOf(type.set), { maxLength: 4 });
    if ('map' in type) return fc.dictionary(name, valuesOf(type.map), { maxKeys: 3, noNullPrototype: true });
    if ('tuple' in type) return fc.tuple(...type.tuple.map(valuesOf));
    const fields = Object.entries(type.object).map(([key, field]) => [key, valuesOf(field)] as const);
    return fc.record(Object.fromEntries(fields), { noNullPrototype: true });
  };
  return fc.oneof(
    { weight: 1, arbitrary: fc.constantFrom(null, UNKNOWN) },
    { weight: 8, arbitrary: known() },
  );
}

const typed = types.chain((type) => valuesOf(type).map((value) => ({ type, value })));

describe('a value of any type', () => {
  test('comes back from the wire as it was', () => {
    fc.assert(
      fc.property(typed, ({ type, value }) => {
        expect(canonical(decodeValue(encodeValue(value, type), type), type)).toBe(canonical(value, type));
      }),
      { numRuns: 50 },
    );
  });

  test('once decoded, encodes to the same bytes again and again', () => {
    fc.assert(
      fc.property(typed, ({ type, value }) => {
        const once = encodeValue(decodeValue(encodeValue(value, type), type), type);
        expect(encodeValue(decodeValue(once, type), type).msgpack).toEqual(once.msgpack);
      }),
      { numRuns: 50 },
    );
  });

  test('comes back from a dynamic attribute with its type, once it came in with one', () => {
    fc.assert(
      fc.property(typed, ({ type, value }) => {
        const inside = { object: { value: 'dynamic' as const } };
        const first = decodeValue(encodeValue({ value }, inside), inside);
        const again = encodeValue(first, inside);
        expect(again.msgpack).toEqual(encodeValue(decodeValue(again, inside), inside).msgpack);
        expect(typeFromJson(JSON.parse(JSON.stringify(typeToJson(type))))).toEqual(type);
      }),
      { numRuns: 50 },
    );
  });
});

test('JSON is parsed as JSON.parse does, where that is exact', () => {
  fc.assert(
    fc.property(fc.json({ noUnicodeString: false }), (text) => {
      const expected: unknown = JSON.parse(text);
      const plain = JSON.stringify(parseJson(text), (_key, value: unknown) =>
        typeof value === 'bigint' || value instanceof BigDecimal ? Number(String(value)) : value,
      );
      expect(plain).toBe(JSON.stringify(expected));
    }),
  );
});
