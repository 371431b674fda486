import type { LayerName } from '../../model/evidence.ts';
import type { Probe, Stopper } from './probe.ts';
import type { ErrorName } from './syscalls.ts';

/** Flags of open(2). */
export const openFlags = {
  readonly: 0,
  readWriteCreate: 0x42,
  directory: 0x10000,
  /** A name is resolved and no more: who may do that sees that it is there. */
  path: 0x200000,
} as const;

/** A layer that shows itself as one of these errors; `instead`: what other errors mean. */
export function attempt(
  name: string,
  tries: string,
  layer: LayerName,
  errors: readonly ErrorName[],
  rest: Pick<Probe, 'steps'> & Partial<Probe> & { readonly instead?: Partial<Record<ErrorName, Stopper>> },
): Probe {
  const { instead, ...probe } = rest;
  const own = Object.fromEntries(errors.map((error) => [error, layer]));
  return { name, tries, layer, stoppedBy: { ...own, ...instead }, ...probe };
}
