import { type Diagnostic, problem } from '../../model/diagnostic.ts';
import { nearestName } from '../../model/nearest.ts';
import { quoted } from '../../model/printable.ts';
import { maxProblems } from './limits.ts';
import { positionOf, type ScalarTree, type SourceFile, type Spot, type TreePath } from './tree.ts';

/** What keeps a file from being read at all. */
export function syntaxProblem(file: SourceFile, offset: number, what: string, hint?: string): Diagnostic {
  return problem('yaml-syntax', `${shownName(file)} ${what}`, {
    source: file.position(offset),
    ...(hint === undefined ? {} : { hint }),
  });
}

function shownName({ name }: SourceFile): string {
  return /^[\w./-]{1,80}$/.test(name) ? name : quoted(name);
}

/** What is wrong with a part of the definitions: `guests.web.memoryMib must be a whole number`. */
export function definitionProblem(
  path: TreePath,
  spot: Spot,
  what: string,
  hint?: string,
  code = 'definition-invalid',
): Diagnostic {
  const where = path.length === 0 ? 'the file' : shownPath(path);
  return problem(code, `${where} ${what}`, {
    path,
    source: positionOf(spot),
    ...(hint === undefined ? {} : { hint }),
  });
}

/** `guests.web.disks[0].path`; what is no plain name is quoted. */
export function shownPath(path: readonly PropertyKey[]): string {
  return path
    .map((step, index) => {
      if (typeof step === 'number') return `[${step}]`;
      return `${index === 0 ? '' : '.'}${plainName(String(step))}`;
    })
    .join('');
}

/** `hv1:12:3`: a place, for the inside of a sentence. */
export function shownPlace(spot: Spot): string {
  const { line, column } = positionOf(spot);
  return `${shownName(spot.file)}:${line}:${column}`;
}

/** A name that says nothing else than what it is; any other text in quotes. */
export function plainName(name: string): string {
  return /^[A-Za-z0-9_$-]{1,80}$/.test(name) ? name : quoted(name);
}

/**
 * Tells of a reference that leads nowhere, with what was probably meant. That takes a look at all names, so it is left out where there
 * are too many names and problems.
 */
export function blameUnknownName(
  problems: Diagnostic[],
  path: TreePath,
  given: ScalarTree,
  what: string,
  kind: string,
  known: Iterable<string>,
): void {
  const names = [...known];
  const isCheap = problems.length < maxProblems && problems.length * names.length < 500_000;
  const hint = isCheap ? whatWasMeant(String(given.value), kind, names) : undefined;
  problems.push(definitionProblem(path, given, what, hint, 'definition-unknown-name'));
}

function whatWasMeant(given: string, kind: string, names: readonly string[]): string {
  const near = nearestName(given, names);
  if (near !== undefined) return `Did you mean ${near}?`;
  const some = names.slice(0, 20).map(plainName).join(', ');
  const all = names.length > 20 ? `${some} and ${names.length - 20} more` : some;
  return `${kind}: ${all === '' ? 'there are none' : all}.`;
}
