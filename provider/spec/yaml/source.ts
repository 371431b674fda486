import type { Address } from '../../model/address.ts';
import type { Definitions } from '../definitions.ts';
import type { Placed } from './objects.ts';
import { positionOf, spotAt } from './tree.ts';

/** Where each object stands, by its address. */
export function sourceOf(
  fleet: Placed,
  objects: readonly (Placed & { readonly address: Address })[],
): Definitions['source'] {
  const placed = new Map(objects.map((object) => [keyOf(object.address), object]));
  const at: Definitions['source'] = (of, path = []) => {
    const found = of === 'fleet' ? fleet : placed.get(keyOf(of));
    if (found === undefined) return undefined;
    return positionOf(spotAt(found.tree, path.map(inCamelCase), found.top));
  };
  return (of, path = []) => {
    const [section, host, ...rest] = path;
    if (of === 'fleet' && section === 'hosts' && host !== undefined)
      return at({ kind: 'host', host: String(host), name: String(host) }, rest);
    return at(of, path);
  };
}

function keyOf({ kind, host, name }: Address): string {
  return `${kind} ${host}/${name}`;
}

/** Diagnostics of the core name fields as the spec does; some as Terraform does. */
function inCamelCase(step: string | number): string | number {
  return typeof step === 'number'
    ? step
    : step.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
