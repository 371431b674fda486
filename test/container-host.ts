import {
  type LayerEvidence,
  type LayerName,
  type LayerState,
  layerNames,
} from '../provider/model/evidence.ts';

/** What a container host cannot show: it enforces no cgroup limits, and its kernel has no security module. */
const notShown: Readonly<Partial<Record<LayerName, LayerState>>> = {
  'cgroup-limits': 'unproven',
  lsm: 'missing',
};

/** The state of each layer. */
export type LayerStates = Readonly<Record<LayerName, LayerState>>;

const allEffective = Object.fromEntries(layerNames.map((layer) => [layer, 'effective'])) as LayerStates;

/** The states of a well isolated guest's layers on a container host. */
export const containerStates: LayerStates = { ...allEffective, ...notShown };

/** The same on a machine with a kernel of its own (`VmHost`): there is nothing that it cannot show. */
export const machineStates: LayerStates = allEffective;

/** What is not as it should be; on a container host where nothing else is said. */
export function notAsExpected<T extends Pick<LayerEvidence, 'layer' | 'state'>>(
  layers: readonly T[],
  states: LayerStates = containerStates,
): readonly T[] {
  return layers.filter(({ layer, state }) => state !== states[layer]);
}
