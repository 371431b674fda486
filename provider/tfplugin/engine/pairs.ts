import { equal } from '../equal.ts';
import type { Attribute, NestedAttribute } from '../schema.ts';
import { isNested } from '../schema.ts';
import { isList, isObject, type ListValue, type ObjectValue, type TerraformValue } from '../values.ts';
import { attributeType, objectType } from '../wire/types.ts';

/** Takes, out of one more value of the attribute, the object at the same place; none in a set. */
type Pick = (third: TerraformValue) => TerraformValue | undefined;

/**
 * Rebuilds a nested attribute's value by transforming each of its objects together with its counterpart in
 * another value of the same attribute (the configuration, mostly): the same index, the same key; in a set, the
 * element it was merged from. What is null or unknown stays as it is.
 */
export function mapNested(
  attribute: NestedAttribute,
  value: TerraformValue,
  other: TerraformValue,
  transform: (object: ObjectValue, counterpart: ObjectValue | null, pick: Pick) => ObjectValue,
): TerraformValue {
  const apply = (
    item: TerraformValue,
    counterpart: TerraformValue | undefined,
    pick: Pick,
  ): TerraformValue =>
    isObject(item) ? transform(item, isObject(counterpart) ? counterpart : null, pick) : item;
  switch (attribute.nesting) {
    case 'single':
      return apply(value, other, (third) => third);
    case 'map': {
      if (!isObject(value)) return value;
      const others = isObject(other) ? other : {};
      const entries = Object.entries(value).map(
        ([key, item]) =>
          [key, apply(item, others[key], (third) => (isObject(third) ? third[key] : undefined))] as const,
      );
      return Object.fromEntries(entries);
    }
    case 'list': {
      const others = isList(other) ? other : [];
      return isList(value)
        ? value.map((item, index) =>
            apply(item, others[index], (third) => (isList(third) ? third[index] : undefined)),
          )
        : value;
    }
    case 'set': {
      const others = isList(other) ? other : [];
      return isList(value)
        ? value.map((item) => apply(item, originOf(item, others, attribute), () => undefined))
        : value;
    }
  }
}

/** The configured element a planned set element was merged from: equal wherever the configuration says anything. */
function originOf(item: TerraformValue, candidates: ListValue, attribute: NestedAttribute): TerraformValue {
  if (!isObject(item)) return null;
  const type = objectType(attribute.attributes);
  return (
    candidates.find((candidate) => equal(candidate, item, type)) ??
    candidates.find((candidate) => isObject(candidate) && mergedFrom(item, candidate, attribute)) ??
    null
  );
}

function mergedFrom(item: ObjectValue, candidate: ObjectValue, attribute: NestedAttribute): boolean {
  return Object.entries(attribute.attributes).every(([name, one]) => fits(item[name], candidate[name], one));
}

function fits(
  value: TerraformValue | undefined,
  configured: TerraformValue | undefined,
  one: Attribute,
): boolean {
  if ((configured ?? null) === null) return one.computed === true || (value ?? null) === null;
  if (isNested(one) && one.nesting === 'single' && isObject(value) && isObject(configured)) {
    return mergedFrom(value, configured, one);
  }
  return isNested(one) || one.writeOnly === true || equal(value, configured, attributeType(one));
}
