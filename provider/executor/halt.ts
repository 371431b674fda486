import type { HostSnapshot } from '../engine/snapshot.ts';
import { type Address, describeAddress } from '../model/address.ts';
import { type Diagnostic, problem, type Result } from '../model/diagnostic.ts';
import type { Operation } from '../model/operation.ts';
import type { Written } from './fleet.ts';
import { failures } from './outcome.ts';

/** Something that must not go on running, and how it is ended. */
export interface Halting {
  readonly address: Address;
  /** What is wrong with it as it runs. */
  readonly dangers: readonly Diagnostic[];
  /** The host as it was judged by. */
  readonly snapshot: HostSnapshot;
  readonly operations: readonly Operation[];
  readonly runs: (snapshot: HostSnapshot) => boolean;
  /** How a person ends it on the host, if the operations cannot. */
  readonly byHand: string;
}

export interface Halted {
  readonly snapshot: HostSnapshot;
  /** The dangers, each with what was done about it, and what went wrong in doing so. */
  readonly diagnostics: readonly Diagnostic[];
}

/** Ends what must not go on, and says whether that worked. */
export async function halt(
  write: (operations: readonly Operation[]) => Promise<Result<Written>>,
  { address, dangers, snapshot, operations, runs, byHand }: Halting,
): Promise<Halted> {
  const wasRunning = runs(snapshot);
  const halted = await write(operations);
  const after = halted.ok && halted.value.snapshot.ok ? halted.value.snapshot.value : undefined;
  const troubles = halted.ok
    ? [
        ...failures(operations, halted.value.results),
        ...(halted.value.snapshot.ok ? [] : halted.value.snapshot.diagnostics),
      ]
    : halted.diagnostics;
  const stopped = troubles.length === 0 && after !== undefined && !runs(after);
  const outcome = stopped
    ? wasRunning
      ? `The ${address.kind} was stopped rather than left running unprotected.`
      : ''
    : `The ${address.kind} could not be stopped and may still run unprotected. Stop it on the host: \`${byHand}\`.`;
  const told = dangers.map((one) => ({
    ...one,
    hint: [outcome, one.hint ?? ''].filter((text) => text !== '').join(' '),
  }));
  return {
    snapshot: after ?? snapshot,
    diagnostics: [...told, ...troubles, ...silent(address, stopped, troubles)],
  };
}

/** All steps went well, and it runs all the same. */
function silent(address: Address, stopped: boolean, troubles: readonly Diagnostic[]): readonly Diagnostic[] {
  if (stopped || troubles.length > 0) return [];
  const resource = describeAddress(address);
  return [
    problem('guest-still-runs', `${resource} was told to stop, and runs all the same`, {
      host: address.host,
      resource,
      hint: 'See what starts it again on the host.',
    }),
  ];
}
