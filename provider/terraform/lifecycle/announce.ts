import { describeAddress } from '../../model/address.ts';
import { assertNever } from '../../model/assert.ts';
import type { Address } from '../../model/address.ts';
import type { Change, FieldReason, IsolationChange, IsolationLine } from '../../model/change.ts';
import { pathText, shortValue, whence } from '../../model/change-words.ts';
import { caution, type Diagnostic } from '../../model/diagnostic.ts';
import { toSnake } from '../words.ts';

/** What a change costs those who use the object, as warnings of the plan; nothing for a change nobody notices. */
export function announcements(change: Change): readonly Diagnostic[] {
  const verb = consequence(change);
  if (verb === undefined) return [];
  const reasons = change.reasons.filter((reason) => reason.disruption !== 'none').map(showReason);
  return [
    caution('disruption', `${describeAddress(change.address)} ${verb}: ${reasons.join(', ')}`, {
      detail: 'It happens when this plan is applied.',
    }),
  ];
}

/** What becomes of a guest's isolation: `guest db1 loses: network namespace; gains: /dev/vfio/12`. */
export function isolationNews(
  address: Address,
  isolation: IsolationChange | undefined,
): readonly Diagnostic[] {
  if (isolation === undefined) return [];
  const { losses, gains, regained, dropped } = isolation;
  const parts = [
    ['loses', losses],
    ['gains', gains],
    ['regains', regained],
    ['gives up', dropped],
  ] as const;
  const told = parts.filter(([, lines]) => lines.length > 0);
  const summary = told.map(([verb, lines]) => `${verb}: ${lines.map(({ what }) => what).join(', ')}`);
  const weaker = losses.length + gains.length > 0;
  return [
    caution(
      weaker ? 'isolation-weaker' : 'isolation-stronger',
      `${address.kind} ${address.name} ${summary.join('; ')}`,
      {
        host: address.host,
        resource: describeAddress(address),
        detail: [
          ...losses.map((line) => `It loses ${source(line)}: ${line.meaning}`),
          ...gains.map((line) => `It gains ${source(line)}: ${line.meaning}`),
          ...regained.map((line) => `It regains ${source(line)}.`),
          ...dropped.map((line) => `It gives up ${source(line)}.`),
        ].join('\n'),
      },
    ),
  ];
}

function source(line: IsolationLine): string {
  return `${line.what} (${whence(line, toSnake)})`;
}

function consequence(change: Change): string | undefined {
  switch (change.disruption) {
    case 'none':
      return undefined;
    case 'live':
      return change.address.kind === 'guest' ? 'is changed while it runs' : undefined;
    case 'restart':
      return 'restarts';
    case 'replace':
      return 'is made anew';
    case 'data-loss':
      return 'loses data';
    default:
      return assertNever(change.disruption);
  }
}

const shownCharacters = 160;

function showReason({ path, before, after }: FieldReason): string {
  const [was, will] = [before, after].map((value) => shortValue(value, shownCharacters));
  return `${pathText(path, toSnake)} ${was} -> ${will}`;
}
