import { type Diagnostic, failure, problem, type Result, success } from '../../model/diagnostic.ts';
import type { DefinitionText, Definitions } from '../definitions.ts';
import { type FleetInput, fleetSchema } from '../fleet.ts';
import { issueProblems } from './issues.ts';
import { maxProblems } from './limits.ts';
import { plainValueOf } from './merge.ts';
import { type Placed, readSpec, setFields } from './objects.ts';
import { parseYaml } from './parse.ts';
import { shownPath } from './problems.ts';
import {
  type ReadGuest,
  type ReadHost,
  readGuests,
  readHosts,
  readUsers,
  type ReadUsers,
} from './read-objects.ts';
import { fileSchema } from './schema.ts';
import { gatherSections, type Sections } from './sections.ts';
import { sourceOf } from './source.ts';
import type { Tree } from './tree.ts';

/**
 * Reads the definitions of one fleet from the texts of all its files: YAML, each file by the schema, then all of them together. Either
 * everything is well, or everything that is wrong is told, each with its place; but where a file is no YAML, only that is.
 */
export function readDefinitions(files: readonly DefinitionText[]): Result<Definitions> {
  if (files.length === 0) return failure(problem('definition-none', 'there are no files of definitions'));
  const parsed = files.map((file) => parseYaml(file));
  const broken = parsed.flatMap((result) => (result.ok ? [] : result.diagnostics));
  if (broken.length > 0) return failure(...inOrder(broken, files));
  const trees = parsed.flatMap((result) => (result.ok && result.value !== undefined ? [result.value] : []));
  const problems: Diagnostic[] = trees.flatMap(checkFile);
  const sections = gatherSections(trees, problems);
  const fleet = readFleet(sections, files, problems);
  const hosts = readHosts(sections, problems);
  const users = readUsers(sections, problems);
  const guests = readGuests(sections, users, problems);
  if (problems.length > 0) return failure(...inOrder(problems, files));
  return success(definitionsOf(fleet, hosts, users, guests));
}

/** What a file says by itself, whether anything uses it or not. */
function checkFile(tree: Tree): readonly Diagnostic[] {
  const parsed = fileSchema.safeParse(plainValueOf(tree));
  if (parsed.success) return [];
  return issueProblems({ tree, schema: fileSchema, path: [], top: tree }, parsed.error.issues);
}

const ownFields = fleetSchema.omit({ hosts: true });

interface ReadFleet extends Placed {
  readonly written: Omit<FleetInput, 'hosts'>;
  readonly spec: ReturnType<typeof ownFields.parse> | undefined;
}

function readFleet(sections: Sections, files: readonly DefinitionText[], problems: Diagnostic[]): ReadFleet {
  const position = { file: files[0]?.name ?? '', line: 1, column: 1 };
  const top = { file: { name: position.file, home: undefined, position: () => position }, offset: 0 };
  const placed: Placed = { tree: { kind: 'map', entries: sections.fleet, ...top }, path: [], top };
  const written = setFields(placed.tree, ownFields) as Omit<FleetInput, 'hosts'>;
  // A file that is no object may have meant to say it.
  const isTold = problems.some(({ path }) => path?.length === 0 && path !== undefined);
  const spec = readSpec(placed, ownFields, written, isTold ? [] : problems);
  return { ...placed, written, spec };
}

function definitionsOf(
  fleet: ReadFleet,
  hosts: readonly ReadHost[],
  users: readonly ReadUsers[],
  guests: readonly ReadGuest[],
): Definitions {
  const known = <Value>(value: Value | undefined) => (value === undefined ? [] : [value]);
  const entries = hosts.flatMap(({ address, entry }) =>
    known(entry).map((one) => [address.name, one] as const),
  );
  const writtenEntries = hosts.map(({ address, writtenEntry }) => [address.name, writtenEntry] as const);
  if (fleet.spec === undefined) throw new Error('definitions without problems have a fleet');
  return {
    fleet: { ...fleet.spec, hosts: Object.fromEntries(entries) },
    hosts: hosts.flatMap(({ spec }) => known(spec)),
    users: users.flatMap(({ spec }) => known(spec)),
    guests: guests.flatMap(({ spec }) => known(spec)),
    asWritten: {
      fleet: { ...fleet.written, hosts: Object.fromEntries(writtenEntries) },
      hosts: hosts.map(({ written }) => written),
      users: users.map(({ written }) => written),
      guests: guests.map(({ written }) => written),
    },
    source: sourceOf(fleet, [...hosts, ...users, ...guests]),
  };
}

/**
 * By file, line and column. A part that many inherit is told once, and what the check of the single file said of a place is not said
 * again of the whole.
 */
function inOrder(problems: readonly Diagnostic[], files: readonly DefinitionText[]): readonly Diagnostic[] {
  const numbers = new Map(files.map(({ name }, index) => [name, index]));
  const number = (one: Diagnostic) => numbers.get(one.source?.file ?? '') ?? -1;
  const first = new Map<string, Diagnostic>();
  for (const one of problems) {
    const { file = '', line = 0, column = 0 } = one.source ?? {};
    const key = JSON.stringify([file, line, column, ...what(one)]);
    if (!first.has(key)) first.set(key, one);
  }
  const sorted = [...first.values()].sort(
    (one, other) =>
      number(one) - number(other) ||
      (one.source?.line ?? 0) - (other.source?.line ?? 0) ||
      (one.source?.column ?? 0) - (other.source?.column ?? 0),
  );
  const last = sorted[maxProblems - 1];
  if (sorted.length <= maxProblems || last === undefined) return sorted;
  const rest = problem('definition-more', `there are ${sorted.length - maxProblems} more problems`, {
    ...(last.source === undefined ? {} : { source: last.source }),
    hint: 'Mend these first.',
  });
  return [...sorted.slice(0, maxProblems), rest];
}

/** What is said, without of whom: `guests.a.memoryMib must be …` and the same of `b` are one where both inherit it. */
function what({ summary, path = [] }: Diagnostic): readonly string[] {
  return [shownPath(path.slice(2)), summary.slice(shownPath(path).length)];
}
