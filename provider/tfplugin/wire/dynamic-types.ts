import type { AttributeType } from '../schema.ts';
import { BigDecimal, isList, isUnknown, type TerraformValue } from '../values.ts';

/**
 * A `dynamic` attribute carries its type on the wire, and a list must not come back as a tuple. Collections and
 * unknowns remember the type they were decoded with, so that a value passed on unchanged keeps it; a newly made one is inferred.
 */
const remembered = new WeakMap<object, AttributeType>();

export function rememberType(value: TerraformValue, type: AttributeType): void {
  if (typeof value === 'object' && value !== null) remembered.set(value, type);
}

/** Arrays are tuples and objects are objects unless they were decoded as something else. */
export function dynamicTypeOf(value: TerraformValue): AttributeType {
  if (value === null) return 'dynamic';
  if (isUnknown(value)) return remembered.get(value) ?? 'dynamic';
  if (typeof value === 'string') return 'string';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'number' || typeof value === 'bigint' || value instanceof BigDecimal) return 'number';
  const type = remembered.get(value);
  if (type !== undefined) return type;
  if (isList(value)) return { tuple: value.map(dynamicTypeOf) };
  const fields = Object.entries(value).map(([name, field]) => [name, dynamicTypeOf(field)] as const);
  return { object: Object.fromEntries(fields) };
}
