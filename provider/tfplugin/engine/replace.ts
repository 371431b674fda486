import type { AttributePath } from '../diagnostics.ts';
import { equal } from '../equal.ts';
import { type Attribute, type Attributes, isNested } from '../schema.ts';
import { isList, isObject, type ObjectValue, type TerraformValue, UNKNOWN } from '../values.ts';
import { attributeType } from '../wire/types.ts';

/**
 * Which attributes marked `requiresReplace` differ between prior and plan. An attribute that is not configured and
 * only became unknown does not count: another change made it so.
 */
export function replacePaths(
  attributes: Attributes,
  prior: ObjectValue | null,
  planned: ObjectValue | null,
  config: ObjectValue | null,
): AttributePath[] {
  return Object.entries(attributes).flatMap(([name, one]) =>
    attributePaths(one, prior?.[name] ?? null, planned?.[name] ?? null, config?.[name] ?? null).map(
      (rest) => [name, ...rest],
    ),
  );
}

function attributePaths(
  attribute: Attribute,
  prior: TerraformValue,
  planned: TerraformValue,
  configured: TerraformValue,
): AttributePath[] {
  if (equal(prior, planned, attributeType(attribute))) return [];
  if (attribute.requiresReplace === true) {
    return configured === null && planned === UNKNOWN ? [] : [[]];
  }
  if (!isNested(attribute)) return [];
  return childKeys(attribute.nesting, prior, planned).flatMap(({ step, pick }) =>
    replacePaths(
      attribute.attributes,
      object(pick(prior)),
      object(pick(planned)),
      object(pick(configured)),
    ).map((rest) => [...step, ...rest]),
  );
}

interface Child {
  readonly step: AttributePath;
  readonly pick: (value: TerraformValue) => TerraformValue | undefined;
}

/** Elements of both sides; those of a set cannot be told apart and are left to the set's own `requiresReplace`. */
function childKeys(nesting: string, prior: TerraformValue, planned: TerraformValue): Child[] {
  if (nesting === 'single') return [{ step: [], pick: (value) => value }];
  if (nesting === 'map') {
    const keys = new Set([prior, planned].flatMap((value) => (isObject(value) ? Object.keys(value) : [])));
    return [...keys].map((key) => ({
      step: [key],
      pick: (value): TerraformValue => (isObject(value) ? (value[key] ?? null) : null),
    }));
  }
  if (nesting === 'set') return [];
  const length = Math.max(...[prior, planned].map((value) => (isList(value) ? value.length : 0)));
  return Array.from({ length }, (_, index) => ({
    step: [index],
    pick: (value): TerraformValue => (isList(value) ? (value[index] ?? null) : null),
  }));
}

function object(value: TerraformValue | undefined): ObjectValue | null {
  return isObject(value) ? value : null;
}
