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

/** The states of a well isolated guest's layers on a container host. */
export const containerStates = Object.fromEntries(
  layerNames.map((layer) => [layer, notShown[layer] ?? 'effective']),
) as Readonly<Record<LayerName, LayerState>>;

/** What is not as it should be on a container host. */
export function notAsExpected<T extends Pick<LayerEvidence, 'layer' | 'state'>>(
  layers: readonly T[],
): readonly T[] {
  return layers.filter(({ layer, state }) => state !== containerStates[layer]);
}
