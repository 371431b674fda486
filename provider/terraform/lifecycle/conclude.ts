import type { HostSnapshot } from '../../engine/snapshot.ts';
import { type Address, describeAddress } from '../../model/address.ts';
import { type Diagnostic, problem } from '../../model/diagnostic.ts';
import type { Kind, Safety } from '../kind.ts';
import type { HostAccess } from '../reach.ts';
import { failures } from './outcome.ts';

/** How things stand after an Apply, once what must not go on was ended. */
export interface Conclusion {
  readonly snapshot: HostSnapshot;
  /** What speaks against it. */
  readonly objections: readonly Diagnostic[];
}

/** What was reached, judged. After a failed step too, what runs and must not is ended. */
export async function judge<D>(
  kind: Pick<Kind<never, D>, 'verify' | 'safety'>,
  access: HostAccess,
  { address, desired }: { readonly address: Address; readonly desired: D },
  reached: { readonly snapshot: HostSnapshot; readonly failed: boolean },
): Promise<Conclusion> {
  const { snapshot, failed } = reached;
  const { safety } = kind;
  const looked = safety !== undefined && (!failed || safety.runs(address, snapshot));
  const dangers = looked ? safety.dangers(address, snapshot) : [];
  if (safety !== undefined && dangers.length > 0) return end(safety, access, address, snapshot, dangers);
  return { snapshot, objections: failed ? [] : kind.verify(address, desired, snapshot) };
}

async function end(
  safety: Safety,
  access: HostAccess,
  address: Address,
  snapshot: HostSnapshot,
  dangers: readonly Diagnostic[],
): Promise<Conclusion> {
  const wasRunning = safety.runs(address, snapshot);
  const operations = safety.halt(address, access.fleet, snapshot);
  const halted = await access.write(operations);
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
    objections: [...told, ...troubles, ...silent(address, stopped, troubles)],
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
