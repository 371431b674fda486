import type { SourcePosition } from '../../model/diagnostic.ts';

/** One file, while it is read. */
export interface SourceFile {
  readonly name: string;
  readonly home: string | undefined;
  /** Line and column of an offset, from 1; a column counts UTF-16 units, as editors do. */
  readonly position: (offset: number) => SourcePosition;
}

/** A place in a file, as small as can be: there may be a million of them. */
export interface Spot {
  readonly file: SourceFile;
  readonly offset: number;
}

/** What a file says, each part with its place. */
export type Tree = ScalarTree | MapTree | ListTree;

export interface ScalarTree extends Spot {
  readonly kind: 'scalar';
  readonly value: string | number | boolean | null;
}

export interface MapTree extends Spot {
  readonly kind: 'map';
  readonly entries: ReadonlyMap<string, Entry>;
}

export interface ListTree extends Spot {
  readonly kind: 'list';
  readonly items: readonly Tree[];
}

export interface Entry {
  /** Where the key stands. */
  readonly key: Spot;
  readonly value: Tree;
}

export type TreePath = readonly (string | number)[];

export function positionOf({ file, offset }: Spot): SourcePosition {
  return file.position(offset);
}

/** The part at a path, or `undefined`. */
export function partAt(tree: Tree, path: readonly PropertyKey[]): Tree | undefined {
  return path.reduce<Tree | undefined>((at, step) => (at === undefined ? undefined : child(at, step)), tree);
}

function child(tree: Tree, step: PropertyKey): Tree | undefined {
  if (tree.kind === 'map') return tree.entries.get(String(step))?.value;
  return tree.kind === 'list' ? tree.items[Number(step)] : undefined;
}

/**
 * The place of what stands at a path; where nothing does, that of the key above it.
 * @param top the place of the whole, usually its key
 */
export function spotAt(tree: Tree, path: readonly PropertyKey[], top: Spot = tree): Spot {
  let spot = top;
  let at: Tree = tree;
  for (const step of path) {
    const next = child(at, step);
    if (next === undefined) return spot;
    const key = at.kind === 'map' ? at.entries.get(String(step))?.key : undefined;
    spot = next.kind === 'scalar' || key === undefined ? next : key;
    at = next;
  }
  return spot;
}

/** A map without what is not there: an empty section is as none. */
export function entriesOf(tree: Tree | undefined): ReadonlyMap<string, Entry> {
  return tree?.kind === 'map' ? tree.entries : new Map();
}
