import type { GuestEvidence, LayerEvidence, LayerName } from '../model/evidence.ts';
import { assertNever } from '../model/assert.ts';
import { proveCgroupLimits } from './cgroup-limits.ts';
import { proveCapabilities, proveNoNewPrivs } from './capabilities.ts';
import { proveChroot } from './chroot.ts';
import { provePrivateDev } from './device-nodes.ts';
import { guestEvidence, strangeProgram } from './guest-evidence.ts';
import type { IsolationExpectation } from './launch-plan.ts';
import { proveLsm } from './lsm.ts';
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
  return guestEvidence(observation, expectation, {
    prove: (layer) => proveLayer(layer, observation, expectation),
    notGiven: 'the host cannot give it',
    stranger: strangeProcesses(observation, expectation),
  });
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

function strangeProcesses(
  observation: GuestObservation,
  expectation: IsolationExpectation,
): string | undefined {
  if (!observation.running) return undefined;
  const models = observation.processes.filter((process) => process.role === 'device-model');
  return models.length > 1
    ? 'the unit has processes that are neither QEMU nor a logger'
    : strangeProgram(observation, expectation);
}
