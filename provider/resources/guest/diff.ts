import type { Action, Disruption } from '../../model/action.ts';
import type { Change, FieldReason } from '../../model/change.ts';
import type { GuestEvidence, LayerName } from '../../model/evidence.ts';
import { fieldDifferences } from './differences.ts';
import { type GuestDesired, guestAddress, type StoredGuest } from './desired.ts';
import type { GuestFacts } from './facts.ts';
import { guestIntegrity, integrityParts, standsAsAsked } from './integrity.ts';
import type { Rendered } from './rendering.ts';
import { missingLayers } from './requests.ts';
import { driversFound, driversOf } from './share-words.ts';
import { isolationChange } from './weakening.ts';

/** What a change of each field costs. Everything QEMU is started with needs a restart. */
const fieldDisruption: Readonly<Record<Exclude<keyof StoredGuest, 'scheme'>, Disruption>> = {
  memoryMib: 'restart',
  vcpus: 'restart',
  machine: 'restart',
  accelerator: 'restart',
  kernel: 'restart',
  initrd: 'restart',
  commandLine: 'restart',
  disks: 'restart',
  sharedMemory: 'restart',
  shares: 'restart',
  network: 'restart',
  devices: 'restart',
  limits: 'restart',
  isolation: 'restart',
  serialLogMaxKib: 'restart',
  restartPolicy: 'live',
  shutdownTimeoutSeconds: 'live',
};

const order: readonly Disruption[] = ['none', 'live', 'restart', 'replace', 'data-loss'];

/**
 * The change that brings the guest from what the host shows to what is asked for, with a reason per field, and what it means for
 * the guest's isolation.
 * @param why what the host lacks for a layer
 */
export function guestDiff(
  desired: GuestDesired,
  facts: GuestFacts | undefined,
  evidence: GuestEvidence | undefined,
  rendered: Rendered,
  why: (layer: LayerName) => string | undefined = () => undefined,
): Change {
  const address = guestAddress(desired);
  const isolation = isolationOf(desired, facts, rendered, why);
  if (facts === undefined)
    return { address, action: 'create', disruption: 'none', reasons: [], ...isolation };
  const reasons = [
    ...fieldReasons(desired, facts.stored),
    ...driftReasons(desired, facts, evidence, rendered),
  ];
  const disruption = reasons.reduce<Disruption>((worst, { disruption: one }) => worse(worst, one), 'none');
  return { address, action: actionOf(disruption), disruption, reasons, ...isolation };
}

function isolationOf(
  desired: GuestDesired,
  facts: GuestFacts | undefined,
  rendered: Rendered,
  why: (layer: LayerName) => string | undefined,
): Pick<Change, 'isolation'> {
  const { requests, shares } = rendered.plan;
  const after = { definition: desired, missing: missingLayers(requests), drivers: driversOf(shares) };
  const before =
    facts?.stored === undefined
      ? 'full'
      : { definition: facts.stored, missing: facts.missing, drivers: driversFound(facts) };
  const isolation = isolationChange(before, after, why);
  return isolation === undefined ? {} : { isolation };
}

function worse(one: Disruption, other: Disruption): Disruption {
  return order.indexOf(one) >= order.indexOf(other) ? one : other;
}

function actionOf(disruption: Disruption): Action {
  switch (disruption) {
    case 'none':
      return 'noop';
    case 'live':
      return 'update';
    case 'restart':
      return 'restart';
    case 'replace':
    case 'data-loss':
      return 'replace';
  }
}

/** Differences of the definition. A stored definition that cannot be read counts as different. */
function fieldReasons(desired: GuestDesired, stored: StoredGuest | undefined): readonly FieldReason[] {
  if (stored === undefined) {
    return [{ path: ['record'], before: 'unreadable', after: 'as defined', disruption: 'restart' }];
  }
  return (Object.keys(fieldDisruption) as (keyof typeof fieldDisruption)[]).flatMap((key) =>
    fieldDifferences(key, stored[key], desired[key]).map((difference) => ({
      ...difference,
      disruption: fieldDisruption[key],
    })),
  );
}

/**
 * Drift. An edited unit or launcher may have shaped the process that runs: it is restarted. A chroot's mode is put right
 * under the running guest. What follows from a changed definition alone is not drift.
 */
function driftReasons(
  desired: GuestDesired,
  facts: GuestFacts,
  evidence: GuestEvidence | undefined,
  rendered: Rendered,
): readonly FieldReason[] {
  const redefined = fieldReasons(desired, facts.stored).length > 0;
  const found = guestIntegrity(facts, evidence, redefined ? undefined : rendered);
  const full = (facts.chroot?.entries.length ?? 0) > 0;
  const onlyRoomIsWrong = found.chroot !== 'ok' && !full;
  return integrityParts.flatMap((part) => {
    if (found[part] === 'ok') return [];
    const live =
      (part === 'chroot' && !full) || (part === 'isolation' && onlyRoomIsWrong && onlyChroot(evidence));
    return [
      { path: ['integrity', part], before: found[part], after: 'ok', disruption: live ? 'live' : 'restart' },
    ];
  });
}

function onlyChroot(evidence: GuestEvidence | undefined): boolean {
  const bad = (evidence?.layers ?? []).filter((layer) => !standsAsAsked(layer));
  return bad.length > 0 && bad.every((layer) => layer.layer === 'chroot');
}
