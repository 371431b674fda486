import { isList, isObject, type ObjectValue, type TerraformValue, isUnknown } from '../../tfplugin/types.ts';

/** The planned object with what was unknown taken from what there is; what is still not known becomes null. */
export function settle(planned: ObjectValue, actual: ObjectValue): ObjectValue {
  return Object.fromEntries(
    Object.entries(planned).map(([name, value]) => [name, settled(value, actual[name] ?? null)]),
  );
}

function settled(planned: TerraformValue, actual: TerraformValue): TerraformValue {
  if (isUnknown(planned)) return actual;
  if (isObject(planned)) return settle(planned, isObject(actual) ? actual : {});
  if (isList(planned)) {
    const found = isList(actual) ? actual : [];
    return planned.map((one, index) => settled(one, found[index] ?? null));
  }
  return planned;
}

/** Where two plans of one object say different things, both being known: `kernel.sha256`. */
export function conflicts(planned: ObjectValue, anew: ObjectValue, above = ''): readonly string[] {
  return Object.entries(planned).flatMap(([name, before]) => {
    const after = anew[name] ?? null;
    if (isUnknown(before) || isUnknown(after)) return [];
    if (isObject(before) && isObject(after)) return conflicts(before, after, `${above}${name}.`);
    return isSame(before, after) ? [] : [`${above}${name}`];
  });
}

/** Equal in every part; unknown values are equal to each other. */
export function isSame(one: TerraformValue, other: TerraformValue): boolean {
  if (isObject(one) && isObject(other)) {
    const names = new Set([...Object.keys(one), ...Object.keys(other)]);
    return [...names].every((name) => isSame(one[name] ?? null, other[name] ?? null));
  }
  if (isList(one) && isList(other)) {
    return one.length === other.length && one.every((value, index) => isSame(value, other[index] ?? null));
  }
  return one === other;
}
