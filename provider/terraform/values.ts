import { z } from 'zod';
import { coreOf } from '../spec/field.ts';
import { errorAt, showPath } from '../tfplugin/diagnostics.ts';
import type { AttributePath, ObjectValue, PluginDiagnostic, TerraformValue } from '../tfplugin/types.ts';
import { BigDecimal, isList, isObject, isWhollyKnown, isUnknown } from '../tfplugin/types.ts';
import { toSnake } from './words.ts';

type Keys = readonly PropertyKey[];

/** What a configuration asks for by the spec, or everything that is wrong with it. */
export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly diagnostics: readonly PluginDiagnostic[] };

/** Reads a wholly known configuration by its spec, defaults included. Attributes the spec does not name are passed over. */
export function parseSpec<S extends z.ZodObject>(spec: S, config: ObjectValue): Parsed<z.output<S>> {
  const parsed = spec.safeParse(specInput(spec, config));
  return parsed.success
    ? { ok: true, value: parsed.data }
    : { ok: false, diagnostics: parsed.error.issues.map((issue) => issueAt(spec, [], issue)) };
}

/** What is known of a configuration, attribute by attribute, defaults included; without those that are not as the spec has them. */
export function parseKnown<S extends z.ZodObject>(spec: S, config: ObjectValue): Partial<z.output<S>> {
  const entries = Object.entries(spec.shape).flatMap(([key, field]) => {
    const value = config[toSnake(key)] ?? null;
    if (isUnknown(value)) return [];
    const parsed = (field as z.ZodType).safeParse(specInput(field as z.ZodType, knownPart(value)));
    return parsed.success && parsed.data !== undefined ? [[key, parsed.data] as const] : [];
  });
  return Object.fromEntries(entries) as Partial<z.output<S>>;
}

/** Unknown values left out: null in objects, nothing in lists. */
function knownPart(value: TerraformValue): TerraformValue {
  if (isUnknown(value)) return null;
  if (isList(value)) return value.filter((one) => !isUnknown(one)).map(knownPart);
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, knownPart(one)]));
}

/**
 * Checks what is known of a configuration. What depends on unknown values is left for later: Terraform
 * asks again once they are known.
 */
export function checkSpec(spec: z.ZodObject, config: ObjectValue): readonly PluginDiagnostic[] {
  return checkKnown(spec, config).map(({ path, issue }) => issueAt(spec, path, issue));
}

/** A spec value as Terraform stores it: snake_case, null for what is not set. */
export function fromSpec(schema: z.ZodType, value: unknown): TerraformValue {
  const core = coreOf(schema);
  if (value === undefined || value === null) return null;
  if (core instanceof z.ZodObject) {
    const source = value as Readonly<Record<string, unknown>>;
    return Object.fromEntries(
      Object.entries(core.shape).map(([key, field]) => [
        toSnake(key),
        fromSpec(field as z.ZodType, source[key]),
      ]),
    );
  }
  if (core instanceof z.ZodRecord) {
    return Object.fromEntries(
      Object.entries(value).map(([key, element]) => [
        key,
        fromSpec(core.def.valueType as z.ZodType, element),
      ]),
    );
  }
  if (Array.isArray(value) && core instanceof z.ZodArray) {
    return value.map((element) => fromSpec(core.element as z.ZodType, element));
  }
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  throw new Error(`a spec value of type ${typeof value} has no Terraform form`);
}

/**
 * What was found, with everything in it that says nothing (null, an empty list, `false`, an object of such) written as it was
 * before, if that said nothing either; as null where there was nothing before.
 */
export function asItStood(found: TerraformValue, prior: TerraformValue): TerraformValue {
  if (isNothing(found)) return isNothing(prior) ? prior : null;
  if (isList(found)) {
    const before = isList(prior) ? prior : [];
    return found.map((one, index) => within(one, before[index] ?? null));
  }
  return within(found, prior);
}

function within(found: TerraformValue, prior: TerraformValue): TerraformValue {
  if (!isObject(found)) return found;
  const before = isObject(prior) ? prior : {};
  return Object.fromEntries(
    Object.entries(found).map(([name, value]) => [
      name,
      // A truth value has a default, and so is never unset.
      typeof value === 'boolean' ? value : asItStood(value, before[name] ?? null),
    ]),
  );
}

function isNothing(value: TerraformValue): boolean {
  if (isList(value)) return value.length === 0;
  if (isObject(value)) return Object.values(value).every(isNothing);
  return value === null || value === false;
}

/** A Terraform value as the spec's parser takes it: camelCase, what is null left out. */
export function specInput(schema: z.ZodType, value: TerraformValue): unknown {
  if (value === null || isUnknown(value)) return undefined;
  const core = coreOf(schema);
  if (typeof value === 'bigint') return Number(value);
  if (value instanceof BigDecimal) return Number(value.text);
  if (isList(value)) {
    const element = core instanceof z.ZodArray ? (core.element as z.ZodType) : z.unknown();
    return value.map((one) => specInput(element, one));
  }
  if (!isObject(value)) return value;
  if (core instanceof z.ZodObject) {
    const entries = Object.entries(core.shape).flatMap(([key, field]) => {
      const one = specInput(field as z.ZodType, value[toSnake(key)] ?? null);
      return one === undefined ? [] : [[key, one] as const];
    });
    return Object.fromEntries(entries);
  }
  const element = core instanceof z.ZodRecord ? (core.def.valueType as z.ZodType) : z.unknown();
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, specInput(element, one)]));
}

interface Found {
  readonly path: Keys;
  readonly issue: z.core.$ZodIssue;
}

function checkKnown(schema: z.ZodType, value: TerraformValue): readonly Found[] {
  if (isUnknown(value)) return [];
  if (isWhollyKnown(value)) {
    const parsed = schema.safeParse(specInput(schema, value));
    return parsed.success ? [] : parsed.error.issues.map((issue) => ({ path: [], issue }));
  }
  const core = coreOf(schema);
  const under = (key: string | number, inner: z.ZodType, one: TerraformValue): readonly Found[] =>
    checkKnown(inner, one).map(({ path, issue }) => ({ path: [key, ...path], issue }));
  if (isList(value) && core instanceof z.ZodArray) {
    return value.flatMap((one, index) => under(index, core.element as z.ZodType, one));
  }
  if (!isObject(value)) return [];
  if (core instanceof z.ZodObject) {
    return Object.entries(core.shape).flatMap(([key, field]) =>
      under(key, field as z.ZodType, value[toSnake(key)] ?? null),
    );
  }
  if (core instanceof z.ZodRecord) {
    return Object.entries(value).flatMap(([key, one]) => [
      ...checkKnown(core.keyType as z.ZodType, key).map(({ issue }) => ({ path: [key], issue })),
      ...under(key, core.def.valueType as z.ZodType, one),
    ]);
  }
  return [];
}

/** An issue of the spec's parser as Terraform shows it, its path in snake_case. */
function issueAt(spec: z.ZodType, above: Keys, issue: z.core.$ZodIssue): PluginDiagnostic {
  const path = snakePath(spec, [...above, ...issue.path]);
  return errorAt(path, `${showPath(path)}${sentence(issue)}`);
}

/** Our own messages are predicates (`must be …`); the parser's are turned into such. */
function sentence(issue: z.core.$ZodIssue): string {
  if (/received undefined$/.test(issue.message)) return ' is required.';
  const [ofKey] = issue.code === 'invalid_key' ? issue.issues : [];
  if (ofKey !== undefined) return sentence(ofKey);
  const text = issue.message.replace(/^Too /, 'is too ');
  const phrase = /^(must|is|belongs|has|cannot)\b/.test(text) ? ` ${text}` : `: ${text}`;
  return /[.!?]$/.test(phrase) ? phrase : `${phrase}.`;
}

/** Names of fields are turned to snake_case; keys of maps are the user's own and stay as they are. */
function snakePath(schema: z.ZodType, keys: Keys): AttributePath {
  const path: (string | number)[] = [];
  let at: z.ZodType | undefined = schema;
  for (const key of keys) {
    const core: z.ZodType | undefined = at === undefined ? undefined : coreOf(at);
    if (core instanceof z.ZodObject) {
      path.push(toSnake(String(key)));
      at = core.shape[String(key)] as z.ZodType | undefined;
      continue;
    }
    path.push(typeof key === 'number' ? key : String(key));
    at = core instanceof z.ZodRecord ? (core.def.valueType as z.ZodType) : undefined;
    if (core instanceof z.ZodArray) at = core.element as z.ZodType;
  }
  return path;
}
