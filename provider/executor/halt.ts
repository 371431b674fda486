import type { HostSnapshot } from '../engine/snapshot.ts';
import { isolationProblems } from '../engine/verify.ts';
import { type Address, describeAddress } from '../model/address.ts';
import { type Diagnostic, problem, type Result } from '../model/diagnostic.ts';
import type { Operation } from '../model/operation.ts';
import { guestUnit } from '../model/paths.ts';
import { guestStop } from '../resources/guest/operations.ts';
import type { Written } from './fleet.ts';
import { failures } from './outcome.ts';
import type { WriteOptions } from './session.types.ts';

/** What is looked at after every write, also one that failed half-way, of what must not go on running whatever else went wrong. */
export interface Safety {
  readonly runs: (address: Address, snapshot: HostSnapshot) => boolean;
  /** What is wrong with it as it runs; empty where it may go on. */
  readonly dangers: (address: Address, snapshot: HostSnapshot) => readonly Diagnostic[];
  /** The steps that end it, where it is still the fleet's. */
  readonly halt: (address: Address, fleet: string, snapshot: HostSnapshot) => readonly Operation[];
  /** How a person ends it on the host, if those steps could not. */
  readonly haltByHand: (address: Address) => string;
}

/** A guest must not go on where its isolation does not hold. */
export const guestSafety: Safety = {
  runs: ({ name }, snapshot) => snapshot.evidence.get(name)?.running === true,
  dangers: ({ name }, snapshot) => isolationProblems(name, snapshot),
  halt: ({ host, name }, fleet, snapshot) =>
    guestStop({ host, name }, fleet, snapshot.guests.get(name)?.generation ?? 'any'),
  haltByHand: ({ name }) => `systemctl stop ${guestUnit(name)}`,
};

/** What was reached of one object. */
export interface Reached {
  readonly address: Address;
  readonly fleet: string;
  readonly snapshot: HostSnapshot;
  /** A step went wrong: what does not run is no danger then. */
  readonly failed: boolean;
}

export interface Halted {
  readonly snapshot: HostSnapshot;
  /** The dangers, each with what was done about it, and what went wrong in doing so. */
  readonly diagnostics: readonly Diagnostic[];
}

type Write = (operations: readonly Operation[], options: WriteOptions) => Promise<Result<Written>>;

/**
 * Judges what was reached, and ends what must not go on, after a failed step too, and after somebody asked to stop; says whether that worked.
 * `undefined`: there is no danger.
 */
export async function haltUnsafe(
  safety: Safety,
  reached: Reached,
  write: Write,
): Promise<Halted | undefined> {
  const { address, fleet, snapshot, failed } = reached;
  const wasRunning = safety.runs(address, snapshot);
  const dangers = failed && !wasRunning ? [] : safety.dangers(address, snapshot);
  if (dangers.length === 0) return undefined;
  const operations = safety.halt(address, fleet, snapshot);
  const halted = await write(operations, { urgent: true });
  const after = halted.ok && halted.value.snapshot.ok ? halted.value.snapshot.value : undefined;
  const troubles = halted.ok
    ? [
        ...failures(operations, halted.value.results),
        ...(halted.value.snapshot.ok ? [] : halted.value.snapshot.diagnostics),
      ]
    : halted.diagnostics;
  const stopped = troubles.length === 0 && after !== undefined && !safety.runs(address, after);
  const outcome = stopped
    ? wasRunning
      ? `The ${address.kind} was stopped rather than left running unprotected.`
      : ''
    : `The ${address.kind} could not be stopped and may still run unprotected. Stop it on the host: \`${safety.haltByHand(address)}\`.`;
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
