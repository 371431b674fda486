import type { Diagnostic } from '../../model/diagnostic.ts';

/** So many resources are named where a warning is said of more. */
const named = 3;

/**
 * Warnings that say the same of several resources as one that names some and counts the rest, in the place of the first: a setting
 * of all guests would else be told for each of them. Errors stay as they are, each with its place.
 */
export function alikeTogether(all: readonly Diagnostic[]): readonly Diagnostic[] {
  const groups = new Map<Diagnostic | string, Diagnostic[]>();
  for (const one of all) {
    const words = wordsOf(one);
    const key = words === undefined ? one : JSON.stringify([one.code, words, one.detail, one.hint, one.copy]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [one]);
    else group.push(one);
  }
  return [...groups.values()].flatMap(oneOf);
}

/** What a warning says of its resource; `undefined`: it is an error, or does not begin with the resource. */
function wordsOf({ severity, summary, resource }: Diagnostic): string | undefined {
  if (severity !== 'warning' || resource === undefined || !summary.startsWith(`${resource}: `))
    return undefined;
  return summary.slice(resource.length);
}

function oneOf(group: readonly Diagnostic[]): readonly Diagnostic[] {
  const [first] = group;
  if (first === undefined || group.length === 1) return group;
  const resources = [...new Set(group.flatMap(({ resource }) => resource ?? []))];
  const more = resources.length - named;
  const who = `${resources.slice(0, named).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
  // whose host and resource it is stands in its words
  const { host: _host, resource: _resource, ...rest } = first;
  return [{ ...rest, summary: `${who}${wordsOf(first) ?? ''}` }];
}
