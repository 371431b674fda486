import type { HostSnapshot } from '../../engine/snapshot.ts';
import { halt } from '../../executor/halt.ts';
import type { Address } from '../../model/address.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import type { Kind, Safety } from '../kind.ts';
import type { HostAccess } from '../reach.ts';

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
  const halted = await halt((operations) => access.write(operations), {
    address,
    dangers,
    snapshot,
    operations: safety.halt(address, access.fleet, snapshot),
    runs: (seen) => safety.runs(address, seen),
    byHand: safety.haltByHand(address),
  });
  return { snapshot: halted.snapshot, objections: halted.diagnostics };
}
