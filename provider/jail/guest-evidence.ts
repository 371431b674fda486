import { type GuestEvidence, type LayerEvidence, type LayerName, layerNames } from '../model/evidence.ts';
import { proveHelpers } from './helper-evidence.ts';
import { deviceModel, doubted, identity } from './judge.ts';
import type { IsolationExpectation } from './launch-plan.ts';
import { lostLoggers } from './logger-evidence.ts';
import { labelLines } from './lsm.ts';
import type { GuestObservation } from './observation.ts';

/** What the evidence of a guest depends on its toolstack in. */
export interface ToolstackEvidence {
  /** Judges a layer. */
  readonly prove: (layer: LayerName) => LayerEvidence;
  /** Layers that are looked at even where nothing is asked of them. @default none */
  readonly always?: readonly LayerName[];
  /** What is said of a layer that may be missing, and is. */
  readonly notGiven: string;
  /** Why what was seen may not be the guest at all: then nothing counts as effective, while a hole still counts as one. */
  readonly stranger: string | undefined;
  /** Layers that its guests have beside those of all. @default none */
  readonly extra?: readonly LayerEvidence[];
}

/** The evidence of one guest: what is not asked for is not proven, and what the host can never show says so. */
export function guestEvidence(
  observation: GuestObservation,
  expectation: IsolationExpectation,
  toolstack: ToolstackEvidence,
): GuestEvidence {
  const { host, guest, takenAt, running, processes } = observation;
  const { stranger, extra = [] } = toolstack;
  return {
    ...{ host, guest, takenAt, running },
    processes: processes.map(identity),
    lostHelpers: lostLoggers(observation, expectation).map((log) => `logger of ${log}`),
    layers: [
      ...layerNames.map((layer) => layerEvidence(layer, observation, expectation, toolstack)),
      ...extra.map((layer) => doubted(layer, stranger)),
    ],
    helpers: proveHelpers(observation, expectation),
  };
}

function layerEvidence(
  layer: LayerName,
  observation: GuestObservation,
  expectation: IsolationExpectation,
  { prove, always = [], notGiven, stranger }: ToolstackEvidence,
): LayerEvidence {
  const request = expectation.requests[layer];
  if (request !== 'on' && !always.includes(layer)) {
    const observed = request === 'off' ? 'switched off in the definition' : notGiven;
    // a label is shown wherever there is one: of a module that is no layer of ours as well
    const raw = layer === 'lsm' ? labelLines(observation) : [];
    return { layer, state: request, requested: 'nothing', observed, raw };
  }
  const shown = doubted(prove(layer), stranger);
  const unprovable = expectation.unprovable[layer];
  return shown.state === 'unproven' && unprovable !== undefined ? { ...shown, unprovable } : shown;
}

/** Why the device model is not the QEMU that the host has; `undefined`: it is. */
export function strangeProgram(
  observation: GuestObservation,
  { qemuDevice, qemuInode, qemuBinary }: IsolationExpectation,
): string | undefined {
  const model = deviceModel(observation);
  if (model?.executableDevice === qemuDevice && model.executableInode === qemuInode) return undefined;
  const program = qemuBinary.slice(qemuBinary.lastIndexOf('/') + 1);
  // The kernel's word for a file that was replaced; that it was QEMU's is the name's alone, so nothing is proven all the same.
  if (model?.executableTarget?.endsWith(`/${program} (deleted)`) === true) {
    return `QEMU was upgraded since the guest's start (${qemuBinary} is another file now): restart the guest to use it`;
  }
  return `the device model is not the host's QEMU binary, ${qemuBinary} (replaced since the guest's start?)`;
}
