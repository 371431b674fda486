import type { Action } from '../../model/action.ts';
import type { Change, FieldReason } from '../../model/change.ts';
import type { QemuUsersDesired } from './desired.ts';
import type { QemuUsersFacts } from './facts.ts';
import { qemuUsersIntegrity, usersIntegrityParts } from './integrity.ts';
import { qemuUsersAddress } from './names.ts';
import type { ResolvedIds } from './uid-base.ts';

/** The change that brings the users from what the host shows to what is asked for. Guests go on running throughout. */
export function qemuUsersDiff(desired: QemuUsersDesired, ids: ResolvedIds, facts: QemuUsersFacts): Change {
  const address = qemuUsersAddress(desired);
  const ours = facts.owners.get(desired.fleet);
  if (ours === undefined) return { address, action: 'create', disruption: 'none', reasons: [] };
  const reasons = [
    ...fieldReason('firstDomid', ours.firstDomid, desired.firstDomid, 'live'),
    ...fieldReason('lastDomid', ours.lastDomid, desired.lastDomid, 'live'),
    ...fieldReason('uidBase', facts.record?.uidBase ?? ids.uidBase, ids.uidBase, 'replace'),
    ...driftReasons(facts, desired.fleet),
  ];
  const replaced = reasons.some(({ disruption }) => disruption === 'replace');
  const action: Action = reasons.length === 0 ? 'noop' : replaced ? 'replace' : 'update';
  return { address, action, disruption: action === 'noop' ? 'none' : replaced ? 'replace' : 'live', reasons };
}

function fieldReason(
  name: keyof QemuUsersDesired,
  before: number,
  after: number,
  disruption: 'live' | 'replace',
): readonly FieldReason[] {
  return before === after ? [] : [{ path: [name], before: String(before), after: String(after), disruption }];
}

function driftReasons(facts: QemuUsersFacts, fleet: string): readonly FieldReason[] {
  const found = qemuUsersIntegrity(facts, fleet);
  return usersIntegrityParts.flatMap((part) =>
    found[part] === 'ok'
      ? []
      : [{ path: ['integrity', part], before: found[part], after: 'ok', disruption: 'live' as const }],
  );
}
