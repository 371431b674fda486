import type { Diagnostic } from '../../model/diagnostic.ts';
import { quoted } from '../../model/printable.ts';
import { mergeTrees } from './merge.ts';
import { definitionProblem, plainName, blameUnknownName } from './problems.ts';
import { guestPart, profilePart } from './schema.ts';
import type { Entry, MapTree, ScalarTree } from './tree.ts';

/**
 * What guests inherit: the defaults, and on them the chain of profiles. Each profile is put together once, however many guests have
 * it.
 */
export class Profiles {
  readonly #profiles: ReadonlyMap<string, Entry>;
  readonly #defaults: MapTree | undefined;
  readonly #problems: Diagnostic[];
  readonly #whole = new Map<string, MapTree>();

  constructor(profiles: ReadonlyMap<string, Entry>, defaults: MapTree | undefined, problems: Diagnostic[]) {
    this.#profiles = profiles;
    this.#defaults = defaults;
    this.#problems = problems;
    for (const name of profiles.keys()) this.#putTogether(name);
  }

  /** A guest with all that it inherits. */
  complete(guest: MapTree, path: readonly string[]): MapTree {
    return mergeTrees(this.#below(guest, path), guest, guestPart);
  }

  #below(object: MapTree, path: readonly string[]): MapTree | undefined {
    const named = profileOf(object);
    if (named === undefined) return this.#defaults;
    if (!this.#profiles.has(named.value)) {
      const what = `names a profile that is not there: ${quoted(named.value)}`;
      const at = [...path, 'profile'];
      blameUnknownName(this.#problems, at, named, what, 'Profiles', this.#profiles.keys());
    }
    return this.#whole.get(named.value) ?? this.#defaults;
  }

  /** Goes down the chain, and puts its profiles together from below. */
  #putTogether(start: string): void {
    const way: string[] = [];
    const steps = new Map<string, number>();
    for (let name: string | undefined = start; name !== undefined && !this.#whole.has(name); ) {
      const entry = this.#profiles.get(name);
      if (entry === undefined) break;
      const earlier = steps.get(name);
      if (earlier !== undefined) {
        this.#blameCircle(way.slice(earlier));
        break;
      }
      steps.set(name, way.length);
      way.push(name);
      name = profileOf(asMap(entry))?.value;
    }
    for (const name of way.toReversed()) {
      const own = asMap(this.#profiles.get(name));
      if (own === undefined) continue;
      this.#whole.set(name, mergeTrees(this.#below(own, ['profiles', name]), own, profilePart));
    }
  }

  #blameCircle(names: readonly string[]): void {
    const [first = '', ...others] = names;
    const entry = this.#profiles.get(first);
    const named = profileOf(asMap(entry));
    if (named === undefined) return;
    const shown = [first, ...others.slice(0, 10), ...(others.length > 10 ? ['…'] : []), first];
    this.#problems.push(
      definitionProblem(
        ['profiles', first, 'profile'],
        named,
        `leads back to itself: ${shown.map(plainName).join(', ')}`,
        'Take one of them out of the circle.',
        'definition-circle',
      ),
    );
  }
}

function profileOf(object: MapTree | undefined): (ScalarTree & { readonly value: string }) | undefined {
  const named = object?.entries.get('profile')?.value;
  return named?.kind === 'scalar' && typeof named.value === 'string'
    ? { ...named, value: named.value }
    : undefined;
}

/** An object that is left empty inherits everything. */
export function asMap(entry: Entry | undefined): MapTree | undefined {
  if (entry === undefined) return undefined;
  const { value } = entry;
  if (value.kind === 'map') return value;
  const isEmpty = value.kind === 'scalar' && value.value === null;
  return isEmpty ? { kind: 'map', entries: new Map(), file: value.file, offset: value.offset } : undefined;
}
