import {
  type LayerEvidence,
  type LayerName,
  type LayerState,
  layerNames,
  layersWithoutXl,
} from '../provider/model/evidence.ts';

/** What a container host cannot show: it enforces no cgroup limits, and its kernel has no security module. */
const notShown: Readonly<Partial<Record<LayerName, LayerState>>> = {
  'cgroup-limits': 'unproven',
  lsm: 'missing',
};

/** The state of each layer. */
export type LayerStates = Readonly<
  Record<LayerName, LayerState> & Partial<Record<LayerEvidence['layer'], LayerState>>
>;

const allEffective = Object.fromEntries(layerNames.map((layer) => [layer, 'effective'])) as LayerStates;

/** The states of a well isolated guest's layers on a container host. */
export const containerStates: LayerStates = { ...allEffective, ...notShown };

/** The same on a machine with a kernel of its own (`VmHost`): there is nothing that it cannot show. */
export const machineStates: LayerStates = allEffective;

/** The same of a guest that xl runs: what libxl does not give its device models is missing, and nothing else. */
export const xenStates: LayerStates = {
  ...allEffective,
  ...(Object.fromEntries(layersWithoutXl.map((layer) => [layer, 'missing'])) as Partial<LayerStates>),
  lsm: 'missing',
  'xen-handles': 'effective',
};

/** What is not as it should be; on a container host where nothing else is said. */
export function notAsExpected<T extends Pick<LayerEvidence, 'layer' | 'state'>>(
  layers: readonly T[],
  states: LayerStates = containerStates,
): readonly T[] {
  return layers.filter(({ layer, state }) => state !== states[layer]);
}
