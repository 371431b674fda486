import { type AttributePath, errorAt, type PluginDiagnostic } from '../diagnostics.ts';
import { type Attributes, isNested, type Schema } from '../schema.ts';
import { isList, isObject, type ObjectValue, type TerraformValue, isUnknown } from '../values.ts';
import { mapNested } from './pairs.ts';

/** A state as it may be stored: write-only values null, whatever is still unknown null. */
export function storable(state: ObjectValue | null, schema: Schema): ObjectValue | null {
  return state === null ? null : knownOnly(withoutWriteOnly(state, schema.attributes));
}

export function withoutWriteOnly(value: ObjectValue, attributes: Attributes): ObjectValue {
  const entries = Object.entries(value).map(([name, one]) => {
    const attribute = attributes[name];
    if (attribute === undefined || one === undefined) return [name, one] as const;
    if (attribute.writeOnly === true) return [name, null] as const;
    if (!isNested(attribute)) return [name, one] as const;
    const inner = mapNested(attribute, one, null, (object) => withoutWriteOnly(object, attribute.attributes));
    return [name, inner] as const;
  });
  return Object.fromEntries(entries);
}

function knownOnly(value: ObjectValue): ObjectValue {
  if (findUnknown(value, []) === undefined) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, known(one)]));
}

function known(value: TerraformValue): TerraformValue {
  if (isUnknown(value)) return null;
  if (isList(value)) return value.map(known);
  return isObject(value) ? knownOnly(value) : value;
}

/** An error for the first value that Apply was to find out and did not. */
export function unknownAfterApply(state: ObjectValue | null): readonly PluginDiagnostic[] {
  const path = state === null ? undefined : findUnknown(state, []);
  return path === undefined
    ? []
    : [errorAt(path, 'Value still unknown after apply', 'This is a mistake in the provider; report it.')];
}

function findUnknown(value: TerraformValue, path: AttributePath): AttributePath | undefined {
  if (isUnknown(value)) return path;
  const items: readonly (readonly [string | number, TerraformValue])[] = isList(value)
    ? value.map((item, index) => [index, item] as const)
    : isObject(value)
      ? Object.entries(value)
      : [];
  for (const [step, item] of items) {
    const found = findUnknown(item, [...path, step]);
    if (found !== undefined) return found;
  }
  return undefined;
}
