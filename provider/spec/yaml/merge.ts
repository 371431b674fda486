import { isAbsolute, join, dirname } from 'node:path/posix';
import { z } from 'zod';
import { coreOf } from '../field.ts';
import { metaOf } from './schema.ts';
import type { Entry, MapTree, SourceFile, Tree } from './tree.ts';

/**
 * Puts one definition on another: objects are merged key by key, all else is replaced. What is null stays as null, so that it takes
 * away what is below and is still known to have a place.
 */
export function mergeTrees(below: MapTree | undefined, above: MapTree, schema: z.ZodObject): MapTree {
  if (below === undefined) return above;
  const entries = new Map<string, Entry>(below.entries);
  for (const [key, entry] of above.entries) {
    const field = fieldBelow(schema, key);
    const inner = field === undefined ? undefined : mergeable(field);
    const under = entries.get(key)?.value;
    const merged =
      inner !== undefined && entry.value.kind === 'map' && under?.kind === 'map'
        ? { key: entry.key, value: mergeTrees(under, entry.value, inner) }
        : entry;
    entries.set(key, merged);
  }
  return { ...above, entries };
}

function mergeable(field: z.ZodType): z.ZodObject | undefined {
  if (metaOf(field).replacedWhole === true) return undefined;
  const core = coreOf(field);
  return core instanceof z.ZodObject ? core : undefined;
}

/**
 * A tree as the spec's parser takes it. What is null is not set; a path on this machine starts at the directory of the file that says it,
 * wherever the rest of the object stands.
 */
export function valueOf(tree: Tree, schema: z.ZodType | undefined): unknown {
  if (tree.kind === 'scalar') {
    const isPath = schema !== undefined && metaOf(schema).localPath === true;
    return isPath && typeof tree.value === 'string' ? fromFile(tree.file, tree.value) : tree.value;
  }
  const core = schema === undefined ? undefined : coreOf(schema);
  if (tree.kind === 'list') {
    const element = core instanceof z.ZodArray ? (core.element as z.ZodType) : undefined;
    return tree.items.map((item) => valueOf(item, element));
  }
  return Object.fromEntries(
    [...tree.entries].flatMap(([key, { value }]) =>
      isNull(value) ? [] : [[key, valueOf(value, fieldBelow(core, key))] as const],
    ),
  );
}

/** The same for a check of what one file says by itself: null stays null. */
export function plainValueOf(tree: Tree): unknown {
  if (tree.kind === 'scalar') return tree.value;
  if (tree.kind === 'list') return tree.items.map(plainValueOf);
  return Object.fromEntries([...tree.entries].map(([key, { value }]) => [key, plainValueOf(value)]));
}

export function isNull(tree: Tree | undefined): boolean {
  return tree === undefined || (tree.kind === 'scalar' && tree.value === null);
}

export function fieldBelow(core: z.ZodType | undefined, key: string): z.ZodType | undefined {
  if (core instanceof z.ZodRecord) return core.valueType as z.ZodType;
  if (!(core instanceof z.ZodObject) || !Object.hasOwn(core.shape, key)) return undefined;
  return core.shape[key] as z.ZodType;
}

/** The digest of an imported file (`sha256:…`) is no path, and one below the home directory is not relative. */
function fromFile({ name, home }: SourceFile, path: string): string {
  if (path.startsWith('~/')) return home === undefined ? path : join(home, path.slice(2));
  const isRelative = !isAbsolute(path) && !/^sha256:[0-9a-f]{64}$/.test(path);
  if (!isRelative || path === '') return path;
  return join(dirname(name), path);
}
