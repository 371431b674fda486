import { Token } from 'cdktf';
import type { Construct } from 'constructs';
import { z } from 'zod';
import { quoted } from '../provider/model/printable.ts';
import { coreOf, fieldRegistry } from '../provider/spec/field.ts';

/**
 * Refuses values at synth that the specification does not allow. Values that only Terraform will know (tokens, expressions) are left to
 * the provider, which runs the same checks once it knows them.
 */
export function refuseUnlessValid(scope: Construct, schema: z.ZodType, value: unknown): void {
  const problems = findProblems(schema, value, []);
  if (problems.length === 0) return;
  const lines = problems.map(({ path, message }) => `  ${path === '' ? 'it' : path} ${message}`);
  throw new Error(`${scope.node.path} is not valid:\n${lines.join('\n')}`);
}

interface Problem {
  readonly path: string;
  readonly message: string;
}

type Path = readonly PropertyKey[];

function findProblems(schema: z.ZodType, value: unknown, path: Path): Problem[] {
  if (value === undefined && schema.isOptional()) return [];
  if (!holdsUnknown(value)) {
    const result = schema.safeParse(value);
    return result.success ? [] : result.error.issues.map((issue) => problemOf(schema, issue, value, path));
  }
  const core = coreOf(schema);
  if (Array.isArray(value) && core instanceof z.ZodArray) {
    const element = core.element as z.ZodType;
    return value.flatMap((one: unknown, index) => findProblems(element, one, [...path, index]));
  }
  if (!isPlainObject(value)) return [];
  if (core instanceof z.ZodObject) return problemsOfFields(core, value, path);
  if (core instanceof z.ZodRecord) return problemsOfEntries(core, value, path);
  return [];
}

/** Field by field: rules over several fields need all of them, so they are the provider's while one is unknown. */
function problemsOfFields(
  schema: z.ZodObject,
  value: Readonly<Record<string, unknown>>,
  path: Path,
): Problem[] {
  const unknownKeys = Object.keys(value).filter((key) => !(key in schema.shape));
  return [
    ...unknownKeys.map((key) => ({ path: shown([...path, key]), message: 'is not a known property' })),
    ...Object.entries(schema.shape).flatMap(([key, field]) =>
      findProblems(field as z.ZodType, value[key], [...path, key]),
    ),
  ];
}

function problemsOfEntries(
  schema: z.ZodRecord,
  value: Readonly<Record<string, unknown>>,
  path: Path,
): Problem[] {
  return Object.entries(value).flatMap(([key, entry]) => [
    ...(isUnknown(key) ? [] : findProblems(schema.keyType as z.ZodType, key, [...path, key])),
    ...findProblems(schema.valueType as z.ZodType, entry, [...path, key]),
  ]);
}

function problemOf(schema: z.ZodType, issue: z.core.$ZodIssue, value: unknown, base: Path): Problem {
  const path = shown([...base, ...issue.path]);
  const given = issue.path.reduce<unknown>(
    (inner, key) =>
      Array.isArray(inner) ? inner[Number(key)] : isPlainObject(inner) ? inner[String(key)] : undefined,
    value,
  );
  if (issue.code === 'unrecognized_keys')
    return { path, message: `has unknown properties: ${issue.keys.map(quoted).join(', ')}` };
  if (given === undefined)
    return { path, message: issue.code === 'invalid_type' ? 'is required' : issue.message };
  const isShown = typeof given !== 'object' && !isSecret(schema, issue.path);
  return { path, message: isShown ? `= ${quoted(given)}: ${issue.message}` : issue.message };
}

function isSecret(schema: z.ZodType, path: Path): boolean {
  if (fieldRegistry.get(schema)?.sensitive === true) return true;
  const [key, ...rest] = path;
  const core = coreOf(schema);
  if (key === undefined) return false;
  if (core instanceof z.ZodRecord) return isSecret(core.valueType as z.ZodType, rest);
  const inner =
    core instanceof z.ZodObject ? (core.shape as Record<string, z.ZodType>)[String(key)] : undefined;
  return inner !== undefined && isSecret(inner, rest);
}

function shown(path: Path): string {
  return path
    .map((key) => (/^[A-Za-z0-9_-]{1,80}$/.test(String(key)) ? String(key) : quoted(String(key))))
    .join('.');
}

function holdsUnknown(value: unknown): boolean {
  if (isUnknown(value)) return true;
  if (Array.isArray(value)) return value.some(holdsUnknown);
  return (
    isPlainObject(value) &&
    Object.entries(value).some(([key, inner]) => isUnknown(key) || holdsUnknown(inner))
  );
}

/** A cdktf token, or a Terraform expression written by hand. */
function isUnknown(value: unknown): boolean {
  return Token.isUnresolved(value) || (typeof value === 'string' && /(?<!\$)\$\{|(?<!%)%\{/.test(value));
}

function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
