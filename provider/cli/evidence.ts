import type { HostSnapshot } from '../engine/snapshot.ts';
import { judgeGuest } from '../engine/verify.ts';
import { bounded } from '../executor/bounded.ts';
import type { Fleet } from '../executor/fleet.ts';
import { targetOf } from '../executor/targets.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import type { GuestEvidence } from '../model/evidence.ts';
import { isIsolated, isProven } from '../resources/guest/integrity.ts';
import type { Definitions } from '../spec/definitions.ts';
import { hostsConcerned, type Selection } from './selection.ts';

/** What one guest shows, and what it should. */
export interface GuestProof {
  readonly guest: string;
  /** It is not, or no longer, in the definitions. */
  readonly defined: boolean;
  /** `undefined`: it is not on the host, or its record cannot be read. */
  readonly evidence: GuestEvidence | undefined;
  /** It runs, and every layer stands as asked for. */
  readonly isolated: boolean;
  /** It runs, and every layer is effective. */
  readonly proven: boolean;
  readonly problems: readonly Diagnostic[];
}

export interface HostEvidence {
  readonly host: string;
  readonly guests: readonly GuestProof[];
  /** Why nothing is known of the host; empty where it was seen. */
  readonly diagnostics: readonly Diagnostic[];
}

/** All guests of a fleet: those that are defined, and those that are only on hosts. */
export async function observeEvidence(
  definitions: Definitions,
  selection: Selection,
  { link, parallelism }: { readonly link: Fleet; readonly parallelism: number },
): Promise<readonly HostEvidence[]> {
  const { fleet, hosts: inventory } = definitions.fleet;
  const defined = new Map<string, string[]>();
  for (const { host, name } of definitions.guests) {
    if (!selection.wantsGuest(host, name)) continue;
    defined.set(host, [...(defined.get(host) ?? []), name]);
  }
  const asked = hostsConcerned(definitions, selection);
  const concerned = Object.entries(inventory).filter(([host]) => asked.has(host));
  return bounded(concerned, parallelism, async ([host, entry]) => {
    const seen = await link.observe(targetOf(host, entry));
    if (!seen.ok) return { host, guests: [], diagnostics: seen.diagnostics };
    const names = defined.get(host) ?? [];
    const others = [...seen.value.guests.values()]
      .filter(({ owner, name }) => owner === fleet && selection.wantsGuest(host, name))
      .map(({ name }) => name)
      .filter((name) => !names.includes(name));
    const guests = [...names, ...others].map((name) =>
      proofOf(name, names.includes(name), fleet, seen.value),
    );
    return { host, guests, diagnostics: [] };
  });
}

function proofOf(guest: string, defined: boolean, fleet: string, snapshot: HostSnapshot): GuestProof {
  const { evidence, problems } = judgeGuest(guest, fleet, snapshot);
  return {
    ...{ guest, defined, evidence, problems },
    isolated: isIsolated(evidence),
    proven: evidence !== undefined && isProven(evidence),
  };
}
