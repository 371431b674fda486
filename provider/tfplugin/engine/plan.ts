/**
 * The plan every resource gets before its own hook: defaults, "known after apply", write-only values removed,
 * and which attributes force a replacement. Pure.
 */
import { equal } from '../equal.ts';
import { type Attribute, type Attributes, isNested, type Schema } from '../schema.ts';
import { isObject, type ObjectValue, type TerraformValue, UNKNOWN } from '../values.ts';
import { attributeType, objectType } from '../wire/types.ts';
import { mapNested } from './pairs.ts';

export interface PlanInput {
  readonly schema: Schema;
  /** Null on create. */
  readonly prior: ObjectValue | null;
  readonly config: ObjectValue;
  readonly proposed: ObjectValue;
}

export interface EnginePlan {
  readonly planned: ObjectValue;
  /** The rule for "something differs", for a difference the engine cannot see. */
  readonly withComputedUnknown: (planned: ObjectValue) => ObjectValue;
}

export function planChange({ schema, prior, config, proposed }: PlanInput): EnginePlan {
  const { attributes } = schema;
  const base = withDefaults(attributes, proposed, config);
  const withComputedUnknown = (planned: ObjectValue): ObjectValue =>
    markUnknown(attributes, planned, config, base);
  const differs = prior === null || !equal(base, prior, objectType(attributes));
  return { planned: differs ? withComputedUnknown(base) : base, withComputedUnknown };
}

type Visit = (attribute: Attribute, value: TerraformValue, configured: TerraformValue) => TerraformValue;

function mapAttributes(
  attributes: Attributes,
  value: ObjectValue,
  config: ObjectValue,
  visit: Visit,
): ObjectValue {
  const entries = Object.entries(attributes).map(
    ([name, one]) => [name, visit(one, value[name] ?? null, config[name] ?? null)] as const,
  );
  return Object.fromEntries(entries);
}

/** Defaults where nothing is configured, and nothing where a value may not be stored. */
function withDefaults(attributes: Attributes, value: ObjectValue, config: ObjectValue): ObjectValue {
  return mapAttributes(attributes, value, config, (attribute, current, configured) => {
    if (attribute.writeOnly === true) return null;
    if (configured === null && attribute.default !== undefined) return attribute.default;
    if (!isNested(attribute) || configured === null) return current;
    return mapNested(attribute, current, configured, (object, origin) =>
      withDefaults(attribute.attributes, object, origin ?? {}),
    );
  });
}

/**
 * Computed values that nothing decides become unknown: not configured, no default, not to be kept, and still
 * what they were before (`base`), so that a value a hook has planned stands.
 */
function markUnknown(
  attributes: Attributes,
  planned: ObjectValue,
  config: ObjectValue,
  base: ObjectValue,
): ObjectValue {
  const entries = Object.entries(attributes).map(([name, one]) => {
    const value = planned[name] ?? null;
    return [name, markAttribute(one, value, config[name] ?? null, base[name] ?? null)] as const;
  });
  return Object.fromEntries(entries);
}

function markAttribute(
  attribute: Attribute,
  value: TerraformValue,
  configured: TerraformValue,
  before: TerraformValue,
): TerraformValue {
  if (configured === null) {
    const decided =
      attribute.computed !== true ||
      attribute.default !== undefined ||
      !equal(value, before, attributeType(attribute)) ||
      (attribute.keepWhenUpdated === true && value !== null);
    return decided ? value : UNKNOWN;
  }
  if (!isNested(attribute)) return value;
  return mapNested(attribute, value, configured, (object, origin, pick) => {
    const earlier = pick(before);
    return markUnknown(attribute.attributes, object, origin ?? {}, isObject(earlier) ? earlier : object);
  });
}
