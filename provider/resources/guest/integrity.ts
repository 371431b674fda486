import type { GuestEvidence, HelperEvidence, LayerEvidence } from '../../model/evidence.ts';
import { firstOf, plainWords } from '../shared/words.ts';
import { shareFilesDigest } from './share-files.ts';
import type { GuestFacts } from './facts.ts';
import type { RenderedGuest } from './render.ts';

/**
 * Whether a guest is as it was made, part by part: `ok`, or what is wrong in a few words. What should be is `ok` throughout;
 * a plan shows each part that is not.
 */
export interface GuestIntegrity {
  /** The device model runs, its loggers beside it. */
  readonly process: string;
  /** Every layer of isolation is effective on the live processes. */
  readonly isolation: string;
  /** The chroot directory is root's, closed and empty. */
  readonly chroot: string;
  /** The systemd unit is the one we wrote, without additions. */
  readonly unit: string;
  /** Scripts and units of its shares' helpers are those we wrote, without additions. */
  readonly shares: string;
  /** The launcher is the one we wrote, and the uploaded files it starts are as uploaded. */
  readonly launcher: string;
}

export const intact: GuestIntegrity = {
  process: 'ok',
  isolation: 'ok',
  chroot: 'ok',
  unit: 'ok',
  shares: 'ok',
  launcher: 'ok',
};
export const integrityParts = ['process', 'isolation', 'chroot', 'unit', 'shares', 'launcher'] as const;

/** `fingerprint`: what launcher and drop-in should hash to; without one they are compared with the record alone. */
export function guestIntegrity(
  facts: GuestFacts,
  evidence: GuestEvidence | undefined,
  fingerprint: Fingerprint | undefined,
): GuestIntegrity {
  return {
    process: processState(facts, evidence),
    isolation: isolationState(evidence),
    chroot: chrootState(facts, evidence),
    unit: unitState(facts, fingerprint),
    shares: sharesState(facts, fingerprint),
    launcher: launcherState(facts, fingerprint),
  };
}

function processState({ launchError }: GuestFacts, evidence: GuestEvidence | undefined): string {
  if (evidence === undefined) return 'not observed';
  if (!evidence.running)
    return launchError === undefined ? 'not running' : `not running: ${plainWords(launchError, 400)}`;
  return evidence.lostHelpers.length === 0 ? 'ok' : `runs without its ${evidence.lostHelpers.join(' and ')}`;
}

/**
 * `effective`, what the definition switched off or allows to be missing, what the host can never show, and what a guest at work did not hold
 * still for are as they should be; nothing else is.
 */
export function standsAsAsked(layer: LayerEvidence): boolean {
  if (layer.state === 'unproven') return layer.unprovable !== undefined || layer.passing === true;
  return layer.state !== 'ineffective';
}

/** It runs, and every layer stands as asked for. */
export function isIsolated(evidence: GuestEvidence | undefined): boolean {
  return isolationState(evidence) === 'ok';
}

/** It runs, and its live processes and those of its shares' helpers show every layer there is: none is off, missing, or not to be shown on its host. */
export function isProven(evidence: GuestEvidence): boolean {
  const layers = [evidence, ...evidence.helpers].flatMap((each) => each.layers);
  return isIsolated(evidence) && layers.every(({ state }) => state === 'effective');
}

function isolationState(evidence: GuestEvidence | undefined): string {
  if (evidence === undefined) return 'not observed';
  if (!evidence.running) return 'no process';
  if (evidence.layers.length === 0) return 'not observed';
  const faults = [
    ...faultsOf(evidence.layers),
    ...evidence.helpers.flatMap((helper) =>
      faultsOf(helper.running ? helper.layers : []).map((fault) => `${shareOf(helper)}: ${fault}`),
    ),
    ...evidence.helpers
      .filter(({ running }) => !running)
      .map((helper) => `${shareOf(helper)}: its helper does not run`),
  ];
  return faults.length === 0 ? 'ok' : faults.join('; ');
}

function shareOf({ tag }: HelperEvidence): string {
  return `share ${tag}`;
}

function faultsOf(all: readonly LayerEvidence[]): readonly string[] {
  const bad = all.filter((layer) => !standsAsAsked(layer));
  return sameFindings(bad).map(
    (layers) => `${namesOf(layers, all)} ${layers[0]?.state}: ${layers[0]?.observed}`,
  );
}

/** A cause that touches many layers (another program in QEMU's place) is told once. */
function sameFindings(layers: readonly LayerEvidence[]): readonly (readonly LayerEvidence[])[] {
  const groups = new Map<string, LayerEvidence[]>();
  for (const layer of layers) {
    const key = JSON.stringify([layer.state, layer.observed]);
    groups.set(key, [...(groups.get(key) ?? []), layer]);
  }
  return [...groups.values()];
}

/** Few by name; of many only how many of how many. */
function namesOf(layers: readonly LayerEvidence[], all: readonly LayerEvidence[]): string {
  return layers.length <= 4
    ? layers.map(({ layer }) => layer).join(', ')
    : `${layers.length} of ${all.length} layers`;
}

function chrootState(facts: GuestFacts, evidence: GuestEvidence | undefined): string {
  const chroot = facts.chroot;
  // libxl makes it, where the layer's evidence looks at it
  if (facts.toolstack === 'xl') return 'ok';
  // After a reboot there is none until the launcher has made it.
  if (chroot === undefined) return evidence?.running === true ? 'directory is missing' : 'ok';
  const wrong: string[] = [];
  if (chroot.mode !== '0') wrong.push(`mode ${chroot.mode.padStart(4, '0')}, not 0000`);
  if (chroot.uid !== 0 || chroot.gid !== 0) wrong.push(`owned by ${chroot.uid}:${chroot.gid}, not 0:0`);
  if (chroot.entries.length > 0)
    wrong.push(`not empty: ${chroot.entries.map((name) => JSON.stringify(name)).join(', ')}`);
  return wrong.length === 0 ? 'ok' : wrong.join('; ');
}

function launcherState(facts: GuestFacts, fingerprint: Fingerprint | undefined): string {
  const state = fileState('launcherSha256', facts, fingerprint);
  const [changed] = facts.changedFiles;
  if (fingerprint === undefined || changed === undefined) return state;
  const files = `starts a file that was changed or is gone: sha256:${firstOf(changed, facts.changedFiles.length)}`;
  return state === 'ok' ? files : `${state}; ${files}`;
}

type Fingerprint = Pick<RenderedGuest, 'launcherSha256' | 'dropInSha256' | 'shareFiles'>;

/** Told together: one script serves all, and what was made for another version is so for all. */
function sharesState(
  { shareFiles: found, written }: GuestFacts,
  fingerprint: Fingerprint | undefined,
): string {
  const sums = [...found].flatMap(([path, sha256]) => (sha256 === undefined ? [] : [{ path, sha256 }]));
  const asWritten =
    shareFilesDigest(sums.sort((one, other) => (one.path < other.path ? -1 : 1))) ===
    written.shareFilesSha256;
  if (fingerprint === undefined) return asWritten && sums.length === found.size ? 'ok' : 'was edited';
  const wanted = new Map(fingerprint.shareFiles.map(({ path, sha256 }) => [path, sha256]));
  const wrong = [
    ...[...wanted].flatMap(([path, sha256]) => {
      if (!found.has(path)) return [`${JSON.stringify(path)} is missing`];
      return found.get(path) === sha256 ? [] : [`${JSON.stringify(path)} was edited`];
    }),
    ...[...found.keys()]
      .filter((path) => !wanted.has(path))
      .map((path) => `has an addition: ${JSON.stringify(path)}`),
  ];
  const [first] = wrong;
  if (first === undefined) return 'ok';
  return asWritten && sums.length === found.size
    ? 'was made for another version of QEMU or Stockade'
    : firstOf(first, wrong.length);
}

function unitState(facts: GuestFacts, fingerprint: Fingerprint | undefined): string {
  const wrong: string[] = [];
  const dropIn = fileState('dropInSha256', facts, fingerprint);
  if (dropIn === 'missing') wrong.push('10-stockade.conf is missing');
  else if (dropIn !== 'ok') wrong.push(`10-stockade.conf ${dropIn}`);
  if (!facts.enabled) wrong.push('does not start at boot');
  for (const path of facts.foreignUnitFiles) wrong.push(`has an addition: ${JSON.stringify(path)}`);
  return wrong.length === 0 ? 'ok' : wrong.join('; ');
}

/**
 * One of the files we write. It is as we wrote it, but no longer what we would write, after an upgrade of QEMU or of
 * Stockade: that is no tampering, and it is put right by a restart all the same.
 */
function fileState(
  file: 'launcherSha256' | 'dropInSha256',
  facts: GuestFacts,
  fingerprint: Fingerprint | undefined,
): string {
  const found = facts[file];
  const written = facts.written[file];
  if (found === undefined) return 'missing';
  if (found === fingerprint?.[file]) return 'ok';
  if (found !== written && (written !== undefined || fingerprint !== undefined)) return 'was edited';
  return fingerprint === undefined ? 'ok' : 'was made for another version of QEMU or Stockade';
}
