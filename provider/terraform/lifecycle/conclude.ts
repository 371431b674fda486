import type { HostSnapshot } from '../../engine/snapshot.ts';
import { haltUnsafe } from '../../executor/halt.ts';
import type { Address } from '../../model/address.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import type { Kind } from '../kind.ts';
import type { HostAccess } from '../reach.ts';

/** How things stand after an Apply, once what must not go on was ended. */
export interface Conclusion {
  readonly snapshot: HostSnapshot;
  /** What speaks against it. */
  readonly objections: readonly Diagnostic[];
}

/** What was reached, judged. After a failed step too, what runs and must not is ended. */
export async function judge<D>(
  { verify, safety }: Pick<Kind<never, D>, 'verify' | 'safety'>,
  access: HostAccess,
  { address, desired }: { readonly address: Address; readonly desired: D },
  reached: { readonly snapshot: HostSnapshot; readonly failed: boolean },
): Promise<Conclusion> {
  const { snapshot, failed } = reached;
  const halted =
    safety === undefined
      ? undefined
      : await haltUnsafe(safety, { address, fleet: access.fleet, ...reached }, (operations, options) =>
          access.write(operations, options),
        );
  if (halted !== undefined) return { snapshot: halted.snapshot, objections: halted.diagnostics };
  return { snapshot, objections: failed ? [] : verify(address, desired, snapshot) };
}
