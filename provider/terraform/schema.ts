import { z } from 'zod';
import { coreOf, fieldRegistry } from '../spec/field.ts';
import {
  type Attribute,
  type AttributeOptions,
  type AttributeType,
  type Attributes,
  attribute,
  type TerraformValue,
} from '../tfplugin/types.ts';
import { toSnake } from './words.ts';

/** Attributes declared beside those of the spec: what Stockade finds out or decides. By path: `id`, `kernel.sha256`. */
export type ComputedAttributes = Readonly<Record<string, Attribute>>;

/** Where the attributes stand: only resources have defaults and replacement in their schema. */
export type SchemaPlace = 'resource' | 'configuration';

/**
 * Turns a spec object into Terraform attributes: camelCase becomes snake_case, help texts, defaults, secrets and
 * replacement come along. The spec is the one source; nothing is said twice.
 */
export function attributesOf(
  spec: z.ZodObject,
  place: SchemaPlace,
  computed: ComputedAttributes = {},
): Attributes {
  const attributes: Record<string, Attribute> = {};
  for (const [key, field] of Object.entries(spec.shape)) {
    const name = toSnake(key);
    attributes[name] = attributeOf(field as z.ZodType, place, below(computed, name));
  }
  for (const [path, extra] of Object.entries(computed)) {
    if (!path.includes('.')) attributes[path] = extra;
  }
  return attributes;
}

function below(computed: ComputedAttributes, name: string): ComputedAttributes {
  return Object.fromEntries(
    Object.entries(computed).flatMap(([path, extra]) =>
      path.startsWith(`${name}.`) ? [[path.slice(name.length + 1), extra] as const] : [],
    ),
  );
}

function attributeOf(field: z.ZodType, place: SchemaPlace, computed: ComputedAttributes): Attribute {
  const options = optionsOf(field, place);
  const core = coreOf(field);
  if (core instanceof z.ZodObject) {
    return attribute.nested('single', attributesOf(core, place, computed), options);
  }
  if (core instanceof z.ZodRecord) {
    const element = coreOf(core.def.valueType as z.ZodType);
    return element instanceof z.ZodObject
      ? attribute.nested('map', attributesOf(element, place, computed), options)
      : attribute.map(typeOf(element), options);
  }
  if (core instanceof z.ZodArray) {
    const element = coreOf(core.element as z.ZodType);
    if (element instanceof z.ZodObject)
      return attribute.nested('list', attributesOf(element, place, computed), options);
    const unordered = fieldRegistry.get(field)?.unordered === true;
    return attribute[unordered ? 'set' : 'list'](typeOf(element), options);
  }
  return { ...options, type: typeOf(core) };
}

function typeOf(core: z.ZodType): AttributeType {
  if (core instanceof z.ZodString || core instanceof z.ZodEnum) return 'string';
  if (core instanceof z.ZodNumber) return 'number';
  if (core instanceof z.ZodBoolean) return 'bool';
  throw new Error(`a spec field of type ${core.def.type} has no Terraform type`);
}

function optionsOf(field: z.ZodType, place: SchemaPlace): AttributeOptions {
  const meta = fieldRegistry.get(field) ?? {};
  const description = field.description;
  return {
    ...(description === undefined ? {} : { description }),
    ...presence(field, place, meta.computedWhenUnset === true),
    ...(meta.sensitive === true ? { sensitive: true } : {}),
    ...(place === 'resource' && meta.forcesReplacement === true ? { requiresReplace: true } : {}),
    ...(place === 'resource' && meta.stable === true ? { keepWhenUpdated: true } : {}),
  };
}

function presence(field: z.ZodType, place: SchemaPlace, computedWhenUnset: boolean): AttributeOptions {
  const fallback = defaultOf(field);
  if (fallback === undefined && !field.isOptional()) return { required: true };
  if (place === 'configuration') return { optional: true };
  if (fallback !== undefined) return { optional: true, computed: true, default: fallback };
  return computedWhenUnset ? { optional: true, computed: true } : { optional: true };
}

function defaultOf(field: z.ZodType): TerraformValue | undefined {
  if (!(field instanceof z.ZodDefault)) return undefined;
  const value: unknown = field.def.defaultValue;
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  throw new Error('only texts, numbers and truth values can be defaults');
}
