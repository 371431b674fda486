import type { AttributeType } from './schema.ts';
import { canonicalDecimal } from './json.ts';
import { isList, isNumber, isObject, isUnknown, type TerraformValue } from './values.ts';

/**
 * One text per value of a type: sets without order, numbers by their value, absent attributes as null. Two
 * values are equal where their texts are; an unknown equals an unknown only.
 */
export function canonical(value: TerraformValue | undefined, type: AttributeType): string {
  if (value === null || value === undefined) return '~';
  if (isUnknown(value)) return '?';
  if (isNumber(value)) return `#${canonicalDecimal(String(value))}`;
  if (typeof value === 'string' || typeof value === 'boolean') return JSON.stringify(value);
  if (isList(value)) {
    const texts = value.map((item, index) => canonical(item, elementType(type, index)));
    return typeof type === 'object' && 'set' in type
      ? `<${[...new Set(texts)].toSorted().join()}>`
      : `[${texts.join()}]`;
  }
  const names = typeof type === 'object' && 'object' in type ? Object.keys(type.object) : Object.keys(value);
  const entries = names
    .toSorted()
    .map((name) => `${JSON.stringify(name)}:${canonical(value[name], fieldType(type, name))}`);
  return `{${entries.join()}}`;
}

export function equal(
  left: TerraformValue | undefined,
  right: TerraformValue | undefined,
  type: AttributeType,
): boolean {
  if (left === right) return true;
  if (isObject(left ?? null) !== isObject(right ?? null)) return false;
  return canonical(left, type) === canonical(right, type);
}

function elementType(type: AttributeType, index: number): AttributeType {
  if (typeof type === 'string') return 'dynamic';
  if ('list' in type) return type.list;
  if ('set' in type) return type.set;
  return 'tuple' in type ? (type.tuple[index] ?? 'dynamic') : 'dynamic';
}

function fieldType(type: AttributeType, name: string): AttributeType {
  if (typeof type === 'string') return 'dynamic';
  if ('map' in type) return type.map;
  return 'object' in type ? (type.object[name] ?? 'dynamic') : 'dynamic';
}
