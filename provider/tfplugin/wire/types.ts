import { isNested, type Attribute, type Attributes, type AttributeType } from '../schema.ts';

/** The type of a whole schema, nested attributes included; computed once per schema. */
export type ObjectType = { readonly object: Readonly<Record<string, AttributeType>> };

const known = new WeakMap<Attributes, ObjectType>();

export function objectType(attributes: Attributes): ObjectType {
  const found = known.get(attributes);
  if (found !== undefined) return found;
  const fields = Object.entries(attributes).map(([name, one]) => [name, attributeType(one)] as const);
  const type = { object: Object.fromEntries(fields) };
  known.set(attributes, type);
  return type;
}

export function attributeType(attribute: Attribute): AttributeType {
  if (!isNested(attribute)) return attribute.type;
  const element = objectType(attribute.attributes);
  switch (attribute.nesting) {
    case 'single':
      return element;
    case 'list':
      return { list: element };
    case 'map':
      return { map: element };
    case 'set':
      return { set: element };
  }
}

/** A type constraint as Terraform writes it: `"string"`, `["list","string"]`, `["object",{"a":"bool"}]`. */
export function typeToJson(type: AttributeType): unknown {
  if (typeof type === 'string') return type;
  if ('list' in type) return ['list', typeToJson(type.list)];
  if ('set' in type) return ['set', typeToJson(type.set)];
  if ('map' in type) return ['map', typeToJson(type.map)];
  if ('tuple' in type) return ['tuple', type.tuple.map(typeToJson)];
  const fields = Object.entries(type.object).map(([name, field]) => [name, typeToJson(field)] as const);
  return ['object', Object.fromEntries(fields)];
}

export function typeToBytes(type: AttributeType): Buffer {
  return Buffer.from(JSON.stringify(typeToJson(type)));
}

/** @throws TypeError where `json` is not a type constraint. */
export function typeFromJson(json: unknown): AttributeType {
  if (json === 'string' || json === 'number' || json === 'bool' || json === 'dynamic') return json;
  const [kind, inner] = Array.isArray(json) ? (json as readonly unknown[]) : [];
  if (kind === 'list') return { list: typeFromJson(inner) };
  if (kind === 'set') return { set: typeFromJson(inner) };
  if (kind === 'map') return { map: typeFromJson(inner) };
  if (kind === 'tuple' && Array.isArray(inner)) return { tuple: inner.map(typeFromJson) };
  if (kind === 'object' && typeof inner === 'object' && inner !== null) {
    const fields = Object.entries(inner).map(([name, field]) => [name, typeFromJson(field)] as const);
    return { object: Object.fromEntries(fields) };
  }
  throw new TypeError(`not a type constraint: ${JSON.stringify(json)}`);
}

/** For error messages: `list of string`. */
export function showType(type: AttributeType): string {
  if (typeof type === 'string') return type === 'dynamic' ? 'any value' : type;
  if ('list' in type) return `list of ${showType(type.list)}`;
  if ('set' in type) return `set of ${showType(type.set)}`;
  if ('map' in type) return `map of ${showType(type.map)}`;
  return 'tuple' in type ? 'tuple' : 'object';
}
