import type { LayerEvidence, ProcessIdentity } from '../model/evidence.ts';
import type { GuestObservation, ProcessObservation } from './observation.ts';

/** What looking at one layer came to. */
export interface Findings {
  /** What shows that the layer does not hold. */
  readonly wrong: readonly string[];
  /** What could not be read. */
  readonly unknown: readonly string[];
  /** What changed while it was looked at, so that it has shown nothing yet: the next look will tell. */
  readonly passing?: readonly string[];
}

/**
 * The state that follows from findings: one that shows a hole is `ineffective`, else one that could not be read, or that changed
 * meanwhile, is `unproven`; `effective` needs a running device model and nothing of these.
 */
export function judge(
  layer: LayerEvidence['layer'],
  requested: string,
  observation: Pick<GuestObservation, 'running'>,
  findings: Findings,
  raw: readonly string[] = [],
): LayerEvidence {
  const wrong = distinct(findings.wrong);
  const unknown = distinct(findings.unknown);
  const passing = distinct(findings.passing ?? []);
  if (!observation.running) {
    return { layer, state: 'unproven', requested, observed: 'no device model runs', raw };
  }
  if (wrong.length > 0) return { layer, state: 'ineffective', requested, observed: some(wrong), raw };
  if (unknown.length > 0) return { layer, state: 'unproven', requested, observed: some(unknown), raw };
  if (passing.length > 0) {
    return { layer, state: 'unproven', requested, observed: some(passing), passing: true, raw };
  }
  return { layer, state: 'effective', requested, observed: 'as requested', raw };
}

/** A few of them, and how many more there are: what is hostile is also cut. */
export function some(texts: readonly string[]): string {
  const shown = texts.slice(0, 3).map((text) => (text.length > 120 ? `${text.slice(0, 120)}…` : text));
  return texts.length > 3 ? `${shown.join('; ')}; and ${texts.length - 3} more` : shown.join('; ');
}

function distinct(texts: readonly string[]): readonly string[] {
  return [...new Set(texts)];
}

/** What is effective by itself, and may be none of what it is about, is not proven; a hole stays one. */
export function doubted(layer: LayerEvidence, reason: string | undefined): LayerEvidence {
  return reason === undefined || layer.state !== 'effective'
    ? layer
    : { ...layer, state: 'unproven', observed: reason };
}

export function identity(process: ProcessObservation): ProcessIdentity {
  const { role, pid, executableDevice, executableInode, startTimeTicks, bootId } = process;
  return { role, pid, executableDevice, executableInode, startTimeTicks, bootId };
}

export function deviceModel(observation: GuestObservation): ProcessObservation | undefined {
  return observation.processes.find((process) => process.role === 'device-model');
}

export function namespaceParent(observation: GuestObservation): ProcessObservation | undefined {
  return observation.processes.find((process) => process.role === 'namespace-parent');
}

/** QEMU and the helpers that serve it; the namespaces' own parent, and xl, are root by design and declared as such. */
export function confinedProcesses(observation: GuestObservation): readonly ProcessObservation[] {
  return observation.processes.filter(({ role }) => role !== 'namespace-parent' && role !== 'toolstack');
}

/** A process none of whose threads could be read has shown nothing. */
export function unreadThreads(processes: readonly ProcessObservation[]): readonly string[] {
  return processes
    .filter((process) => process.threads.length === 0)
    .map((process) => `threads of the ${process.role} could not be read`);
}

/** Adds up findings. */
export function together(...all: readonly Findings[]): Findings {
  return {
    wrong: all.flatMap((each) => each.wrong),
    unknown: all.flatMap((each) => each.unknown),
    passing: all.flatMap((each) => each.passing ?? []),
  };
}
