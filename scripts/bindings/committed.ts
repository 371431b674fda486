import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Bindings } from './generate.ts';

const folder = fileURLToPath(new URL('../../constructs/generated', import.meta.url));

/** The bindings as they are in the checkout. */
export function committedBindings(): Bindings {
  if (statSync(folder, { throwIfNoEntry: false }) === undefined) return new Map();
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  return new Map(files.map((name) => [name, readFileSync(path.join(folder, name), 'utf8')]));
}

/** Names of the files that are not the same in both. */
export function differingFiles(made: Bindings, present: Bindings): readonly string[] {
  const names = [...new Set([...made.keys(), ...present.keys()])].toSorted();
  return names.filter((name) => made.get(name) !== present.get(name));
}

/** Replaces the bindings in the checkout. */
export function writeBindings(made: Bindings): void {
  rmSync(folder, { recursive: true, force: true });
  for (const [name, text] of made) {
    const file = path.join(folder, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
}
