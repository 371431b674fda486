import type { GuestEvidence, LayerEvidence, LayerName } from '../model/evidence.ts';
import { layerNames } from '../model/evidence.ts';
import { assertNever } from '../model/assert.ts';
import { proveCgroupLimits } from './cgroup-limits.ts';
import { proveCapabilities, proveNoNewPrivs } from './capabilities.ts';
import { proveChroot } from './chroot.ts';
import { provePrivateDev } from './device-nodes.ts';
import { proveHelpers } from './helper-evidence.ts';
import { deviceModel } from './judge.ts';
import type { IsolationExpectation } from './launch-plan.ts';
import { lostLoggers } from './logger-evidence.ts';
import { labelLines, proveLsm } from './lsm.ts';
import { proveNamespace } from './namespaces.ts';
import type { GuestObservation } from './observation.ts';
import { proveOpenFiles } from './open-files.ts';
import { proveRlimits } from './rlimits.ts';
import { proveSeccomp } from './seccomp.ts';
import { proveUser } from './user.ts';

export { evidenceSection, evidenceSectionName } from './evidence-section.ts';
export { parseEvidence } from './evidence-parse.ts';

/** What an observation proves of each layer. Pure: what was read is judged here, nothing on the host decides. */
export function proveIsolation(
  observation: GuestObservation,
  expectation: IsolationExpectation,
): GuestEvidence {
  const stranger = strangeProcesses(observation, expectation);
  return {
    host: observation.host,
    guest: observation.guest,
    takenAt: observation.takenAt,
    running: observation.running,
    processes: observation.processes.map(
      ({ role, pid, executableDevice, executableInode, startTimeTicks, bootId }) => ({
        role,
        pid,
        executableDevice,
        executableInode,
        startTimeTicks,
        bootId,
      }),
    ),
    lostHelpers: lostLoggers(observation, expectation).map((log) => `logger of ${log}`),
    layers: layerNames.map((layer) => layerEvidence(layer, observation, expectation, stranger)),
    helpers: proveHelpers(observation, expectation),
  };
}

/** What is not asked for is not proven; what the host can never show says so. */
function layerEvidence(
  layer: LayerName,
  observation: GuestObservation,
  expectation: IsolationExpectation,
  stranger: string | undefined,
): LayerEvidence {
  const request = expectation.requests[layer];
  if (request !== 'on') {
    const observed = request === 'off' ? 'switched off in the definition' : 'the host cannot give it';
    // a label is shown wherever there is one: of a module that is no layer of ours as well
    const raw = layer === 'lsm' ? labelLines(observation) : [];
    return { layer, state: request, requested: 'nothing', observed, raw };
  }
  const shown = doubt(proveLayer(layer, observation, expectation), stranger);
  const unprovable = expectation.unprovable[layer];
  return shown.state === 'unproven' && unprovable !== undefined ? { ...shown, unprovable } : shown;
}

function proveLayer(
  layer: LayerName,
  observation: GuestObservation,
  expectation: IsolationExpectation,
): LayerEvidence {
  switch (layer) {
    case 'user':
      return proveUser(observation, expectation);
    case 'chroot':
      return proveChroot(observation, expectation);
    case 'mount-namespace':
      return proveNamespace('mnt', observation, expectation);
    case 'private-dev':
      return provePrivateDev(observation, expectation);
    case 'ipc-namespace':
      return proveNamespace('ipc', observation, expectation);
    case 'uts-namespace':
      return proveNamespace('uts', observation, expectation);
    case 'net-namespace':
      return proveNamespace('net', observation, expectation);
    case 'pid-namespace':
      return proveNamespace('pid', observation, expectation);
    case 'cgroup-namespace':
      return proveNamespace('cgroup', observation, expectation);
    case 'capabilities':
      return proveCapabilities(observation, expectation);
    case 'no-new-privs':
      return proveNoNewPrivs(observation, expectation);
    case 'seccomp':
      return proveSeccomp(observation, expectation);
    case 'rlimits':
      return proveRlimits(observation, expectation);
    case 'cgroup-limits':
      return proveCgroupLimits(observation, expectation);
    case 'lsm':
      return proveLsm(observation, expectation);
    case 'open-files':
      return proveOpenFiles(observation, expectation);
    default:
      return assertNever(layer);
  }
}

/** Why what was seen may not be the guest at all: then nothing counts as effective, while a hole still counts as one. */
function strangeProcesses(
  observation: GuestObservation,
  expectation: IsolationExpectation,
): string | undefined {
  if (!observation.running) return undefined;
  const { qemuDevice, qemuInode, qemuBinary } = expectation;
  const models = observation.processes.filter((process) => process.role === 'device-model');
  const model = deviceModel(observation);
  if (models.length > 1) return 'the unit has processes that are neither QEMU nor a logger';
  if (model?.executableDevice === qemuDevice && model.executableInode === qemuInode) return undefined;
  const program = qemuBinary.slice(qemuBinary.lastIndexOf('/') + 1);
  // The kernel's word for a file that was replaced; that it was QEMU's is the name's alone, so nothing is proven all the same.
  if (model?.executableTarget?.endsWith(`/${program} (deleted)`) === true) {
    return `QEMU was upgraded since the guest's start (${qemuBinary} is another file now): restart the guest to use it`;
  }
  return "the device model is not the host's QEMU binary (replaced since the guest's start?)";
}

function doubt(layer: LayerEvidence, reason: string | undefined): LayerEvidence {
  return reason === undefined || layer.state !== 'effective'
    ? layer
    : { ...layer, state: 'unproven', observed: reason };
}
