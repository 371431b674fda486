import { proveCgroupLimits } from '../../jail/cgroup-limits.ts';
import { proveChroot } from '../../jail/chroot.ts';
import { guestEvidence, strangeProgram } from '../../jail/guest-evidence.ts';
import { deviceModel, judge, unreadThreads } from '../../jail/judge.ts';
import type { IsolationExpectation } from '../../jail/launch-plan.ts';
import { layerOfNamespace } from '../../jail/namespaces.ts';
import type { GuestObservation, NamespaceKind } from '../../jail/observation.ts';
import { proveRlimits } from '../../jail/rlimits.ts';
import { proveUser } from '../../jail/user.ts';
import type { GuestEvidence, LayerEvidence, LayerName } from '../../model/evidence.ts';
import type { DomainHandles } from './fd-check-parse.ts';
import { proveHandles } from './handle-evidence.ts';
import { proveXenOpenFiles } from './open-files.ts';

/**
 * What an observation proves of each layer of a guest that xl runs. What libxl gives is judged as on the other toolstack; what it does not
 * give is `missing` where the definition allows that, and where it does not the plan has refused it.
 */
export function proveXlIsolation(
  observation: GuestObservation,
  expectation: IsolationExpectation,
  handles: DomainHandles | undefined,
): GuestEvidence {
  return guestEvidence(observation, expectation, {
    prove: (layer) => proveLayer(layer, observation, expectation),
    // libxl leaves the bounding set alone, but what a device model holds is looked at all the same
    always: ['capabilities'],
    notGiven: 'libxl does not give it',
    stranger: strangeModel(observation, expectation),
    extra: [proveHandles(observation, expectation, handles)],
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
    case 'capabilities':
      return proveHeldCapabilities(observation, expectation);
    case 'chroot':
      return proveChroot(observation, expectation);
    case 'mount-namespace':
      return proveOwnNamespace('mnt', observation);
    case 'ipc-namespace':
      return proveOwnNamespace('ipc', observation);
    case 'rlimits':
      return proveRlimits(observation, expectation);
    case 'cgroup-limits':
      return proveCgroupLimits(observation, expectation);
    case 'open-files':
      return proveXenOpenFiles(observation, expectation);
    default:
      // the plan lets no guest be without leave to miss it; one that is asks for what was never there
      return judge(layer, 'as on the other toolstack', observation, {
        wrong: ['libxl does not give it'],
        unknown: [],
      });
  }
}

/** libxl makes these without more: mounts of the host go on reaching the device model's, whose root is empty all the same. */
function proveOwnNamespace(kind: NamespaceKind, observation: GuestObservation): LayerEvidence {
  const host = observation.hostNamespaces[kind];
  const own = deviceModel(observation)?.namespaces[kind];
  const other = observation.sharedNamespaces[kind];
  const wrong: string[] = [];
  const unknown: string[] = [];
  if (host === undefined) unknown.push("the host's own could not be read");
  if (own === undefined) unknown.push('the namespace of the device model could not be read');
  else if (own === host) wrong.push("the device model is in the host's");
  if (other !== undefined) wrong.push(`${other} is in it too`);
  const raw = observation.processes.map(
    ({ pid, role, namespaces }) => `${pid} ${role} ${namespaces[kind] ?? '?'}, host ${host ?? '?'}`,
  );
  return judge(layerOfNamespace[kind], 'its own, as libxl makes it', observation, { wrong, unknown }, raw);
}

const heldSets = ['CapInh', 'CapPrm', 'CapEff', 'CapAmb'] as const;

/** None held is not all that the layer is, so at its best it is `missing`. */
function proveHeldCapabilities(
  observation: GuestObservation,
  expectation: IsolationExpectation,
): LayerEvidence {
  const layer = 'capabilities';
  const model = deviceModel(observation);
  const wrong: string[] = [];
  const unknown = model === undefined ? [] : [...unreadThreads([model])];
  for (const thread of model?.threads ?? []) {
    for (const set of heldSets) {
      const held = thread.capabilities[set];
      if (held === undefined) unknown.push(`${set} of the device model could not be read`);
      else if (!/^0+$/.test(held)) wrong.push(`device model has ${set} ${held}`);
    }
  }
  const raw = (model?.threads ?? []).map(
    ({ tid, capabilities }) =>
      `${model?.pid ?? 0}/${tid} ${[...heldSets, 'CapBnd' as const].map((set) => `${set} ${capabilities[set] ?? '?'}`).join(' ')}`,
  );
  const shown = judge(layer, 'none held', observation, { wrong, unknown }, raw);
  if (shown.state !== 'effective' || expectation.requests[layer] === 'on') return shown;
  const observed = 'none is held, but libxl does not cut the bounding set';
  return { ...shown, state: 'missing', observed };
}

/** Why what was seen may not be the guest's device model. */
function strangeModel(observation: GuestObservation, expectation: IsolationExpectation): string | undefined {
  const { running, processes } = observation;
  const { domain } = expectation;
  if (!running) return undefined;
  const models = processes.filter(({ role }) => role === 'device-model');
  if (models.length > 1) return 'more than one device model runs for the guest';
  if (domain?.domid === undefined) return 'a device model runs, but the guest has no domain';
  if (domain.deviceModelPid !== undefined && models[0]?.pid !== domain.deviceModelPid)
    return 'xenstore names another process as the device model';
  return strangeProgram(observation, expectation);
}
