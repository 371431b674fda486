import { describeAddress } from '../../model/address.ts';
import { assertNever } from '../../model/assert.ts';
import type { Change, FieldReason } from '../../model/change.ts';
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

function showReason(reason: FieldReason): string {
  const name = reason.path.map((step) => (typeof step === 'number' ? String(step) : toSnake(step))).join('.');
  return `${name} ${short(reason.before)} -> ${short(reason.after)}`;
}

const shownCharacters = 160;

function short(text: string): string {
  const digest = /^sha256:([0-9a-f]{12})[0-9a-f]{52}$/.exec(text);
  if (digest !== null) return `sha256:${digest[1]}…`;
  return text.length > shownCharacters ? `${text.slice(0, shownCharacters)}…` : text;
}
