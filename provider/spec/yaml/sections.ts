import type { Diagnostic } from '../../model/diagnostic.ts';
import { definitionProblem, shownPlace } from './problems.ts';
import { type Entry, entriesOf, type ListTree, type MapTree, type Tree } from './tree.ts';

/** What all files say together, by section. Nothing is checked yet but that nothing stands in two files. */
export interface Sections {
  /** `fleet`, `unreachable`, `eventsFile`. */
  readonly fleet: ReadonlyMap<string, Entry>;
  /** Field by field: files may share in them. */
  readonly defaults: Readonly<Record<'hosts' | 'users' | 'guests', MapTree | undefined>>;
  readonly profiles: ReadonlyMap<string, Entry>;
  readonly hosts: ReadonlyMap<string, Entry>;
  readonly guests: ReadonlyMap<string, Entry>;
  /** The lists of all files; an entry's number is that in its own file. */
  readonly users: readonly ListTree[];
}

export function gatherSections(trees: readonly Tree[], problems: Diagnostic[]): Sections {
  const tops = trees.map(entriesOf);
  const gather = (above: readonly string[], parts: readonly ReadonlyMap<string, Entry>[]) => {
    const found = new Map<string, Entry>();
    for (const part of parts) for (const [key, entry] of part) add(found, above, key, entry, problems);
    return found;
  };
  const section = (name: string) =>
    gather(
      [name],
      tops.map((top) => entriesOf(top.get(name)?.value)),
    );
  const defaults = (name: string) =>
    wholeOf(
      gather(
        ['defaults', name],
        tops.map((top) => entriesOf(entriesOf(top.get('defaults')?.value).get(name)?.value)),
      ),
    );
  return {
    fleet: gather(
      [],
      tops.map((top) => new Map([...top].filter(([key]) => fleetFields.includes(key)))),
    ),
    defaults: { hosts: defaults('hosts'), users: defaults('users'), guests: defaults('guests') },
    ...{ profiles: section('profiles'), hosts: section('hosts'), guests: section('guests') },
    users: tops.flatMap((top) => {
      const list = top.get('users')?.value;
      return list?.kind === 'list' ? [list] : [];
    }),
  };
}

const fleetFields: readonly string[] = ['fleet', 'unreachable', 'eventsFile'];

/** Fields of several files as one object; `undefined` where there are none. */
function wholeOf(entries: ReadonlyMap<string, Entry>): MapTree | undefined {
  const [first] = entries.values();
  return first === undefined ? undefined : { kind: 'map', entries, ...first.key };
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
