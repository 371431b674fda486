import type { Change } from '../../model/change.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import type { GuestEvidence, LayerName } from '../../model/evidence.ts';
import type { Operation } from '../../model/operation.ts';
import { defaultRoots, type HostRoots } from '../../model/paths.ts';
import type { HostCapabilities } from '../../toolstacks/qemu/capabilities.types.ts';
import type { XenDomain } from '../../toolstacks/xl/domains.ts';
import type { GuestDesired } from './desired.ts';
import { guestDiff } from './diff.ts';
import type { GuestFacts } from './facts.ts';
import { fileObstacles } from './file-obstacles.ts';
import { type GuestOperationInput, guestOperations } from './operations.ts';
import { sharedDiskObstacles } from './qemu-obstacles.ts';
import { withRecordChecked } from './record-state.ts';
import { guestObstacles } from './render.ts';
import { type ReadyHost, type Rendered, renderFor } from './rendering.ts';
import { layerObstacle } from './requests.ts';
import { type OtherGuest, sharedShareCautions, sharedShareObstacles } from './share-conflicts.ts';
import { shareSourceCautions, shareSourceObstacles } from './share-source-checks.ts';
import type { ShareSourceFacts } from './share-sources.ts';
import { launchShares } from './shares.ts';
import { domainObstacles } from './xl-obstacles.ts';

/** What of a host has to do with a guest. */
export interface GuestSurroundings {
  readonly guests: ReadonlyMap<string, GuestFacts>;
  readonly evidence: ReadonlyMap<string, GuestEvidence>;
  /** Digests of the uploaded files that are there. */
  readonly files: ReadonlySet<string>;
  readonly sources: ReadonlyMap<string, ShareSourceFacts>;
  readonly domains?: readonly XenDomain[] | undefined;
}

/** The other guests of the host that a definition is weighed against. */
export interface Neighbours {
  /** By what they share, and by the files that they are made of. */
  readonly sharing: readonly OtherGuest[];
  /** By the images that they use. */
  readonly images: readonly OtherGuest[];
}

/**
 * What stands against a guest on a host, whatever is done there first; all of it at once.
 * @param capabilities `undefined`: the host is not prepared, and may get another QEMU or toolstack
 * @param uploads files of the applying machine, by digest
 */
export function obstaclesOnHost(
  desired: GuestDesired,
  capabilities: HostCapabilities | undefined,
  { domains, sources, files }: GuestSurroundings,
  neighbours: Neighbours,
  uploads: ReadonlyMap<string, unknown>,
  roots: HostRoots = defaultRoots,
): readonly Diagnostic[] {
  const served = capabilities === undefined ? [] : launchShares(desired, capabilities);
  return [
    ...(capabilities === undefined ? [] : guestObstacles(desired, capabilities)),
    ...(capabilities?.toolstack === 'xl' ? domainObstacles(desired, domains) : []),
    ...sharedDiskObstacles(desired, neighbours.images),
    ...shareSourceObstacles(desired, sources, served, roots),
    ...sharedShareObstacles(desired, neighbours.sharing),
    ...fileObstacles(desired, uploads, files),
  ];
}

/** What is to be known of a guest's shares on this host before it is made or changed. */
export function cautionsOnHost(
  desired: GuestDesired,
  capabilities: HostCapabilities,
  { sources }: Pick<GuestSurroundings, 'sources'>,
  { sharing }: Pick<Neighbours, 'sharing'>,
): readonly Diagnostic[] {
  return [
    ...shareSourceCautions(desired, sources, launchShares(desired, capabilities)),
    ...sharedShareCautions(desired, sharing),
  ];
}

/** What is done to a guest, and what it is made of. */
export interface WorkOnHost {
  readonly change: Change;
  readonly operations: readonly Operation[];
  readonly rendered: Rendered;
}

/** What brings a guest from what the host shows to what is asked for. Nothing must stand against it (`obstaclesOnHost`). */
export function workOnHost(
  desired: GuestDesired,
  host: ReadyHost,
  { guests, evidence }: Pick<GuestSurroundings, 'guests' | 'evidence'>,
  more: Pick<GuestOperationInput, 'users' | 'uploads' | 'after' | 'roots'>,
): WorkOnHost {
  const facts = guests.get(desired.name);
  const rendered = renderFor(desired, host, more.roots);
  const why = (layer: LayerName) => layerObstacle(layer, host);
  const drift = guestDiff(desired, facts, evidence.get(desired.name), rendered, why);
  const change = withRecordChecked(drift, facts);
  return {
    change,
    operations: guestOperations({ change, desired, facts, rendered, ...more }),
    rendered,
  };
}
