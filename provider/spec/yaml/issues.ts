import { z } from 'zod';
import type { Diagnostic } from '../../model/diagnostic.ts';
import { nearestName } from '../../model/nearest.ts';
import { quoted } from '../../model/printable.ts';
import { coreOf, fieldRegistry } from '../field.ts';
import { fieldBelow, isNull } from './merge.ts';
import { definitionProblem } from './problems.ts';
import { partAt, type Spot, spotAt, type Tree, type TreePath } from './tree.ts';
import { inYamlWords } from './words.ts';

/** What was checked. */
export interface Checked {
  readonly tree: Tree;
  readonly schema: z.ZodType;
  /** Where it stands in its file: `['guests', 'web']`. */
  readonly path: TreePath;
  /** The place of the whole: its key. */
  readonly top: Spot;
}

/** Says what the spec's parser found, at its place. */
export function issueProblems(checked: Checked, issues: readonly z.core.$ZodIssue[]): Diagnostic[] {
  const ofFields = new Set(issues.filter((issue) => !isParsersLimit(issue)).map(pathKey));
  return issues.flatMap((issue) => {
    if (isParsersLimit(issue) && ofFields.has(pathKey(issue))) return [];
    if (issue.code === 'unrecognized_keys') return unknownKeys(checked, issue);
    const [inKey] = issue.code === 'invalid_key' ? issue.issues : [];
    return [inKey === undefined ? issueProblem(checked, issue) : keyProblem(checked, issue, inKey.message)];
  });
}

function keyProblem(checked: Checked, { path }: z.core.$ZodIssue, message: string): Diagnostic {
  const key = String(path.at(-1));
  const spot = keySpot(checked, path.slice(0, -1), key);
  return definitionProblem([...checked.path, ...stepsOf(path)], spot, `${message}; it is ${quoted(key)}`);
}

/** A whole number that is too large breaks the parser's own limit, and the field's: that one says more. */
function isParsersLimit(issue: z.core.$ZodIssue): boolean {
  const limit = issue.code === 'too_big' ? issue.maximum : issue.code === 'too_small' ? issue.minimum : 0;
  return Math.abs(Number(limit)) === Number.MAX_SAFE_INTEGER;
}

function pathKey({ path }: z.core.$ZodIssue): string {
  return JSON.stringify(path);
}

function unknownKeys(
  checked: Checked,
  { path, keys }: { readonly path: readonly PropertyKey[]; readonly keys: readonly string[] },
): Diagnostic[] {
  const core = coreOf(schemaAt(checked.schema, path) ?? checked.schema);
  const known = core instanceof z.ZodObject ? Object.keys(core.shape) : [];
  return keys.map((key) => {
    const near = nearestName(key, known);
    const hint = near === undefined ? `It may have: ${known.join(', ')}.` : `Did you mean ${near}?`;
    const where = [...checked.path, ...stepsOf(path)];
    const what = where.length === 0 ? `has no ${quoted(key)}` : `has no field ${quoted(key)}`;
    return definitionProblem(where, keySpot(checked, path, key), what, hint, 'definition-unknown-field');
  });
}

function issueProblem(checked: Checked, issue: z.core.$ZodIssue): Diagnostic {
  const { tree, schema, path, top } = checked;
  const given = partAt(tree, issue.path);
  const secret = isSecret(schema, issue.path);
  const { text, hint } = textOf(issue, given, schemaAt(schema, issue.path));
  const isShown = given?.kind === 'scalar' && given.value !== null && !secret;
  const shown = isShown ? `; it is ${quoted(given.value)}` : '';
  return definitionProblem(
    [...path, ...stepsOf(issue.path)],
    spotAt(tree, issue.path, top),
    `${inYamlWords(text)}${shown}`,
    // A hint may repeat the value.
    secret ? undefined : hint,
  );
}

interface Words {
  readonly text: string;
  readonly hint?: string;
}

function textOf(issue: z.core.$ZodIssue, given: Tree | undefined, schema: z.ZodType | undefined): Words {
  switch (issue.code) {
    case 'invalid_type':
      if (given === undefined) return { text: 'is required' };
      if (isNull(given))
        return { text: typeof issue.path.at(-1) === 'number' ? 'must not be empty' : 'is required' };
      return typeWords(isWhole(schema) ? 'int' : issue.expected, given);
    case 'invalid_value': {
      const known = issue.values.map(String);
      const value = given?.kind === 'scalar' ? String(given.value) : '';
      const near = nearestName(value, known);
      const text = `must be ${known.length > 1 ? 'one of ' : ''}${known.join(', ')}`;
      return near === undefined ? { text } : { text, hint: `Did you mean ${near}?` };
    }
    case 'too_small':
    case 'too_big':
      return { text: sizeWords(issue) };
    default:
      // Our own messages are predicates: "must be an absolute path".
      return { text: issue.message };
  }
}

function typeWords(expected: string, given: Tree): Words {
  const value = given.kind === 'scalar' ? given.value : undefined;
  switch (expected) {
    case 'string':
      return value === undefined
        ? { text: `must be text, not a ${given.kind}` }
        : { text: 'must be text', hint: `Put it in quotes: ${quoted(String(value))}.` };
    case 'int':
    case 'number': {
      const text = expected === 'int' ? 'must be a whole number' : 'must be a number';
      const isQuoted = typeof value === 'string' && /^-?\d+$/.test(value);
      return isQuoted ? { text, hint: 'Leave the quotes out.' } : { text };
    }
    case 'boolean': {
      const meant = typeof value === 'string' ? truthWords[value.toLowerCase()] : undefined;
      return { text: 'must be true or false', ...(meant === undefined ? {} : { hint: `Write ${meant}.` }) };
    }
    case 'array':
      return { text: 'must be a list', hint: 'Write each entry on a line of its own, after "- ".' };
    default:
      return { text: 'must be an object', hint: 'Write its fields below it, indented: "name: value".' };
  }
}

function isWhole(schema: z.ZodType | undefined): boolean {
  return schema !== undefined && coreOf(schema) instanceof z.ZodNumberFormat;
}

const truthWords: Readonly<Record<string, boolean>> = {
  ...{ yes: true, on: true, true: true, y: true },
  ...{ no: false, off: false, false: false, n: false },
};

function sizeWords(issue: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig): string {
  const isBig = issue.code === 'too_big';
  const limit = String(isBig ? issue.maximum : issue.minimum);
  const bound = `${isBig ? 'at most' : 'at least'} ${limit}`;
  if (issue.origin === 'string')
    return !isBig && limit === '1' ? 'must not be empty' : `must have ${bound} characters`;
  if (issue.origin === 'array') return `must have ${bound} ${limit === '1' ? 'entry' : 'entries'}`;
  return `must be ${bound}`;
}

function keySpot({ tree, top }: Checked, path: readonly PropertyKey[], key: string): Spot {
  const map = partAt(tree, path);
  const entry = map?.kind === 'map' ? map.entries.get(key) : undefined;
  return entry?.key ?? spotAt(tree, path, top);
}

function schemaAt(schema: z.ZodType, path: readonly PropertyKey[]): z.ZodType | undefined {
  return path.reduce<z.ZodType | undefined>((at, step) => {
    const core = at === undefined ? undefined : coreOf(at);
    if (core instanceof z.ZodArray) return core.element as z.ZodType;
    return fieldBelow(core, String(step));
  }, schema);
}

function isSecret(schema: z.ZodType, path: readonly PropertyKey[]): boolean {
  return path.some((_, index) => {
    const field = schemaAt(schema, path.slice(0, index + 1));
    return field !== undefined && fieldRegistry.get(field)?.sensitive === true;
  });
}

function stepsOf(path: readonly PropertyKey[]): TreePath {
  return path.map((step) => (typeof step === 'number' ? step : String(step)));
}
