import { deviceModel } from './judge.ts';
import type { IsolationExpectation } from './launch-plan.ts';
import { logNames } from './logger.ts';
import type { GuestObservation } from './observation.ts';

/**
 * Logs that nobody keeps any more. A logger is a child of the unit's main process, which began as the launcher, and holds its pipe
 * from its first moment to its last; a program that it has started is none, and ends when a segment is full. Loggers end after
 * QEMU, and a unit that is being stopped may lose them in any order: neither is a loss. What could not be read is none either.
 */
export function lostLoggers(
  observation: GuestObservation,
  { runDirectory }: Pick<IsolationExpectation, 'runDirectory'>,
): readonly (typeof logNames)[number][] {
  const { processes, unit, helperWentAway } = observation;
  if (unit?.activeState !== 'active' || deviceModel(observation)?.openFiles === undefined) return [];
  if (helperWentAway) return [];
  const helpers = processes.filter(({ role, parentPid }) => role === 'logger' && parentPid === unit.mainPid);
  if (helpers.some(({ openFiles }) => openFiles === undefined)) return [];
  return logNames.filter(
    (log) =>
      !helpers.some(({ openFiles }) =>
        openFiles?.some(({ type, target }) => type === 'p' && target === `${runDirectory}/${log}`),
      ),
  );
}
