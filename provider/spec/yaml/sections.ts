import type { Diagnostic } from '../../model/diagnostic.ts';
import { definitionProblem, shownPlace } from './problems.ts';
import { type Entry, entriesOf, type ListTree, type Tree } from './tree.ts';

/** What all files say together, by section. Nothing is checked yet but that nothing stands in two files. */
export interface Sections {
  /** `fleet`, `unreachable`, `eventsFile`. */
  readonly fleet: ReadonlyMap<string, Entry>;
  readonly defaults: ReadonlyMap<string, Entry>;
  readonly profiles: ReadonlyMap<string, Entry>;
  readonly hosts: ReadonlyMap<string, Entry>;
  readonly guests: ReadonlyMap<string, Entry>;
  /** The lists of all files; an entry's number is that in its own file. */
  readonly users: readonly ListTree[];
}

const mapSections = ['defaults', 'profiles', 'hosts', 'guests'] as const;

export function gatherSections(trees: readonly Tree[], problems: Diagnostic[]): Sections {
  const found = {
    ...{ fleet: new Map<string, Entry>(), defaults: new Map<string, Entry>() },
    ...{
      profiles: new Map<string, Entry>(),
      hosts: new Map<string, Entry>(),
      guests: new Map<string, Entry>(),
    },
  };
  const users: ListTree[] = [];
  for (const tree of trees) {
    const top = entriesOf(tree);
    for (const key of ['fleet', 'unreachable', 'eventsFile']) {
      const entry = top.get(key);
      if (entry !== undefined) add(found.fleet, [], key, entry, problems);
    }
    for (const section of mapSections) {
      for (const [key, entry] of entriesOf(top.get(section)?.value))
        add(found[section], [section], key, entry, problems);
    }
    const list = top.get('users')?.value;
    if (list?.kind === 'list') users.push(list);
  }
  return { ...found, users };
}

function add(
  into: Map<string, Entry>,
  above: readonly string[],
  key: string,
  entry: Entry,
  problems: Diagnostic[],
): void {
  const earlier = into.get(key);
  if (earlier === undefined) {
    into.set(key, entry);
    return;
  }
  problems.push(
    definitionProblem(
      [...above, key],
      entry.key,
      `stands in two files: in ${shownPlace(earlier.key)} too`,
      'Remove one of them.',
      'definition-twice',
    ),
  );
}
