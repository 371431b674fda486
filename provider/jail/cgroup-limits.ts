import type { LayerEvidence } from '../model/evidence.ts';
import { judge } from './judge.ts';
import type { IsolationExpectation } from './launch-plan.ts';
import type { GuestObservation } from './observation.ts';

/** Evidence of memory, processor, process and device limits: those of the unit's cgroup, as the kernel has them. */
export function proveCgroupLimits(
  observation: GuestObservation,
  _expectation: IsolationExpectation,
): LayerEvidence {
  return judge('cgroup-limits', 'limits of the unit', observation, {
    wrong: [],
    unknown: ['the limits could not be read'],
  });
}
