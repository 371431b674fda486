import type { z } from 'zod';
import type { Address } from '../../model/address.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import { nameSchema } from '../names.ts';
import { type Checked, issueProblems } from './issues.ts';
import { valueOf } from './merge.ts';
import { definitionProblem, shownPlace } from './problems.ts';
import type { MapTree, Spot, TreePath } from './tree.ts';

/** An object of the definitions as it stands in the files, with all that it inherits. */
export interface Placed {
  readonly tree: MapTree;
  /** `['guests', 'web']` */
  readonly path: TreePath;
  /** Its key, or its line in a list. */
  readonly top: Spot;
}

/** An object that was read: what was set, and what that means by the spec (`undefined` where something is wrong with it). */
export interface ReadObject<Input, Spec> extends Placed {
  readonly address: Address;
  readonly written: Input;
  readonly spec: Spec | undefined;
}

/**
 * Reads one object by its spec; what is wrong is told at its place.
 * @param told a field that others have looked at already
 */
export function readSpec<S extends z.ZodObject>(
  placed: Placed,
  schema: S,
  set: Readonly<Record<string, unknown>>,
  problems: Diagnostic[],
  told?: string,
): z.output<S> | undefined {
  const parsed = schema.safeParse(set);
  if (parsed.success) return parsed.data;
  const checked: Checked = { ...placed, schema };
  const untold = parsed.error.issues.filter(({ path }) => told === undefined || path[0] !== told);
  problems.push(...issueProblems(checked, untold));
  return undefined;
}

/** What is set of the fields that a spec has. */
export function setFields(tree: MapTree, schema: z.ZodObject): Readonly<Record<string, unknown>> {
  const entries = Object.keys(schema.shape).flatMap((key) => {
    const entry = tree.entries.get(key);
    return entry === undefined ? [] : [[key, entry] as const];
  });
  return valueOf({ ...tree, entries: new Map(entries) }, schema) as Readonly<Record<string, unknown>>;
}

/** A name, where it may be one. */
export function isName(value: unknown): value is string {
  return nameSchema.safeParse(value).success;
}

/** Tells objects apart that would be the same on their host. */
export class Unique {
  readonly #seen = new Map<string, Placed>();
  readonly #problems: Diagnostic[];

  constructor(problems: Diagnostic[]) {
    this.#problems = problems;
  }

  /** @param what `is the same guest`: what two of that id are */
  claim(id: string, placed: Placed, what: string, hint: string): void {
    const earlier = this.#seen.get(id);
    if (earlier === undefined) {
      this.#seen.set(id, placed);
      return;
    }
    const where = `${what} as ${shownPlace(earlier.top)}`;
    this.#problems.push(definitionProblem(placed.path, placed.top, where, hint, 'definition-twice'));
  }
}
