import type { Change } from '../../model/change.ts';
import { guestDigest } from './desired.ts';
import type { GuestFacts } from './facts.ts';

/** Whether the host's record of a guest says what it said when it was written. */
export function recordState(facts: GuestFacts): string {
  if (facts.stored === undefined) return 'cannot be read';
  const written = { ...facts.stored, host: '', name: facts.name, fleet: facts.owner };
  return guestDigest(written) === facts.digest ? 'ok' : 'was edited';
}

/** A record that was edited by hand is written anew, also where nothing else is to be done. */
export function withRecordChecked(change: Change, facts: GuestFacts | undefined): Change {
  const record = facts === undefined ? 'ok' : recordState(facts);
  if (record === 'ok' || change.action !== 'noop') return change;
  const reason = { path: ['integrity', 'record'], before: record, after: 'ok', disruption: 'none' as const };
  return { ...change, action: 'update', reasons: [reason] };
}
