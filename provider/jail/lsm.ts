import type { LayerEvidence } from '../model/evidence.ts';
import { judge } from './judge.ts';
import type { IsolationExpectation } from './launch-plan.ts';
import type { GuestObservation } from './observation.ts';

/** Evidence of the security module's label on every process. */
export function proveLsm(observation: GuestObservation, _expectation: IsolationExpectation): LayerEvidence {
  return judge('lsm', 'a label of its own', observation, { wrong: [], unknown: ['no label could be read'] });
}
