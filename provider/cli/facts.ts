import { bounded } from '../executor/bounded.ts';
import type { Fleet } from '../executor/fleet.ts';
import { targetOf } from '../executor/targets.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import { capabilitiesFor } from '../resources/host/facts.ts';
import type { Definitions } from '../spec/definitions.ts';
import type { HostCapabilities } from '../toolstacks/qemu/capabilities.types.ts';
import { hostsConcerned, type Selection } from './selection.ts';

/** What one host is like, prepared or not. */
export interface SeenHost {
  readonly host: string;
  /** `undefined`: nothing was seen of it, and `diagnostics` says why. */
  readonly facts: HostSummary | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

export interface HostSummary {
  readonly operatingSystem: string;
  readonly capabilities: HostCapabilities;
  /** Fleets that have prepared it. */
  readonly fleets: readonly string[];
  readonly guests: readonly { readonly guest: string; readonly owner: string; readonly running: boolean }[];
}

export async function observeFacts(
  definitions: Definitions,
  selection: Selection,
  { link, parallelism }: { readonly link: Fleet; readonly parallelism: number },
): Promise<readonly SeenHost[]> {
  const { fleet, hosts } = definitions.fleet;
  const asked = hostsConcerned(definitions, selection);
  const concerned = Object.entries(hosts).filter(([host]) => asked.has(host));
  return bounded(concerned, parallelism, async ([host, entry]) => {
    const seen = await link.observe(targetOf(host, entry));
    if (!seen.ok) return { host, facts: undefined, diagnostics: seen.diagnostics };
    const { facts, guests, evidence } = seen.value;
    return {
      host,
      facts: {
        operatingSystem: facts.operatingSystem.name,
        capabilities: capabilitiesFor(facts, fleet),
        fleets: [...facts.owners.keys()],
        guests: [...guests.values()].map(({ name, owner }) => ({
          ...{ guest: name, owner },
          running: evidence.get(name)?.running === true,
        })),
      },
      diagnostics: [],
    };
  });
}
