import { describeAddress } from '../model/address.ts';
import { type Diagnostic, problem } from '../model/diagnostic.ts';
import type { GuestEvidence, LayerEvidence } from '../model/evidence.ts';
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
  const lost = evidence.helpers.filter(({ running }) => !running);
  const helpers = evidence.helpers.filter(({ running }) => running);
  return [
    ...weakLayers(evidence.layers, resource, at),
    ...helpers.flatMap(({ tag, layers }) => weakLayers(layers, `${resource}: share ${tag}`, at)),
    ...lost.map(({ tag }) =>
      problem('isolation-not-effective', `${resource}: share ${tag}: its helper does not run`, {
        ...at,
        hint: `Look at what it said on the host (journalctl --unit='stockade-share-${guest}:${tag}*'); then apply again.`,
      }),
    ),
  ];
}

/** What one guest of a fleet shows, and what speaks against it: nothing where it runs and every layer stands as asked for. */
export interface GuestJudgement {
  /** `undefined`: it is not on the host, is not the fleet's, or its record cannot be read. */
  readonly evidence: GuestEvidence | undefined;
  readonly problems: readonly Diagnostic[];
}

/** Judges a guest by its evidence. One of that name that belongs to somebody else proves nothing of the fleet's. */
export function judgeGuest(guest: string, fleet: string, snapshot: HostSnapshot): GuestJudgement {
  const isOurs = snapshot.guests.get(guest)?.owner === fleet;
  const own = isOurs ? snapshot : { ...snapshot, evidence: new Map<string, GuestEvidence>() };
  return { evidence: own.evidence.get(guest), problems: isolationProblems(guest, own) };
}

function weakLayers(
  layers: readonly LayerEvidence[],
  whose: string,
  at: { readonly host: string; readonly resource: string; readonly step: string },
): readonly Diagnostic[] {
  return layers
    .filter((layer) => !standsAsAsked(layer))
    .map((layer) =>
      problem('isolation-not-effective', `${whose}: ${layer.layer} is ${layer.state}`, {
        ...at,
        detail: `Asked for: ${layer.requested}. Observed: ${layer.observed}.`,
        hint: 'Find what on the host undoes this layer, then apply again.',
      }),
    );
}
