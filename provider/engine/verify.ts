import { describeAddress } from '../model/address.ts';
import { type Diagnostic, problem } from '../model/diagnostic.ts';
import { guestAddress } from '../resources/guest/desired.ts';
import { standsAsAsked } from '../resources/guest/integrity.ts';
import type { HostSnapshot } from './snapshot.ts';

/**
 * What speaks against leaving a just started guest running: a layer that is not effective, or no evidence at all. Empty when
 * its isolation holds. A guest for which this is not empty must be stopped.
 */
export function isolationProblems(guest: string, snapshot: HostSnapshot): readonly Diagnostic[] {
  const resource = describeAddress(guestAddress({ host: snapshot.host, name: guest }));
  const evidence = snapshot.evidence.get(guest);
  const at = { host: snapshot.host, resource, step: 'evidence' };
  if (evidence === undefined || !evidence.running || evidence.layers.length === 0) {
    return [
      problem('no-evidence', `${resource}: no running device model was found to prove its isolation on`, {
        ...at,
        hint: 'Look at its stderr log on the host; then apply again.',
      }),
    ];
  }
  return evidence.layers
    .filter((layer) => !standsAsAsked(layer))
    .map((layer) =>
      problem('isolation-not-effective', `${resource}: ${layer.layer} is ${layer.state}`, {
        ...at,
        detail: `Asked for: ${layer.requested}. Observed: ${layer.observed}.`,
        hint: 'Find what on the host undoes this layer, then apply again.',
      }),
    );
}
