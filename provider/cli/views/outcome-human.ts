import type { ApplyOutcome, ObjectState } from '../applying.ts';
import { describeAddress } from '../../model/address.ts';
import { counted } from '../../model/counted.ts';
import { terminalLine } from './escape.ts';
import type { Style } from './style.ts';

const stateWords: Readonly<Record<ObjectState, string>> = {
  done: 'done',
  failed: 'failed',
  unproven: 'not as planned',
  interrupted: 'begun, not finished',
  'not-begun': 'not begun',
};

/** What an apply has done and what it has not: counts, then every object that is not done. */
export function humanOutcome({ hosts, ok, stopped }: ApplyOutcome, style: Style): string {
  const objects = hosts.flatMap((host) => host.objects);
  const done = objects.filter(({ state }) => state === 'done').length;
  const counts = `${done} of ${objects.length} objects done on ${counted(hosts.length, 'host')}`;
  const head = ok ? style.green('Applied') : style.red(stopped ? 'Stopped' : 'Failed');
  const isolated = hosts.flatMap(({ evidence }) => evidence).filter(({ running }) => running).length;
  return [
    `${head}: ${counts}.${ok && isolated > 0 ? ` ${counted(isolated, 'guest runs', 'guests run')}, ${isolated === 1 ? 'its' : 'their'} isolation as asked for.` : ''}`,
    ...objects
      .filter(({ state }) => state !== 'done')
      .map(({ address, state }) => terminalLine(`  ${describeAddress(address)}: ${stateWords[state]}`)),
    ...(ok ? [] : ['Run it again to carry on: every step checks what is there.']),
    '',
  ].join('\n');
}
