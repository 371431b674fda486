import type { Indexed } from './evidence-index.ts';
import type { FileObservation, NodeObservation } from './observation.ts';
import { parseFile } from './proc-parse.ts';

/** A path of 255 characters has no more directories. */
const maxDepth = 128;

/**
 * What was listed in a directory, and in those below it that were listed too, by name. `find` shows DIRECTORY/. and
 * DIRECTORY/./NAME, `stat` DIRECTORY/NAME. `undefined`: the directory itself was not listed.
 */
export function nodesBelow(
  directory: string,
  raw: Pick<Indexed, 'links' | 'linksIn' | 'stats'>,
): ReadonlyMap<string, NodeObservation> | undefined {
  if (!raw.links.has(`${directory}/.`)) return undefined;
  const nodes = new Map<string, NodeObservation>();
  const look = (below: string, prefix: string, depth: number) => {
    for (const [name, { target }] of raw.linksIn.get(`${below}/.`) ?? []) {
      const path = `${below}/${name}`;
      nodes.set(`${prefix}${name}`, { isLink: target !== '', file: parseFile(raw.stats.get(path)) });
      if (depth < maxDepth && raw.links.has(`${path}/.`)) look(path, `${prefix}${name}/`, depth + 1);
    }
  };
  look(directory, '', 0);
  return nodes;
}

/** The host's own nodes of these names. */
export function hostNodesOf(
  names: readonly string[],
  raw: Pick<Indexed, 'stats'>,
): ReadonlyMap<string, FileObservation> {
  const nodes = new Map<string, FileObservation>();
  for (const name of names) {
    const node = parseFile(raw.stats.get(`/dev/${name}`));
    if (node !== undefined) nodes.set(name, node);
  }
  return nodes;
}
