import type { Change, FieldReason } from '../../model/change.ts';
import { defaultRoots, type HostRoots } from '../../model/paths.ts';
import { type HostDesired, hostAddress } from './desired.ts';
import type { HostFacts } from './facts.ts';
import { hostIntegrity, hostIntegrityParts } from './integrity.ts';

/** The change that brings the host from what it shows to what is asked for. No running guest notices it. */
export function hostDiff(desired: HostDesired, facts: HostFacts, roots: HostRoots = defaultRoots): Change {
  const address = hostAddress(desired);
  const owner = facts.owners.get(desired.fleet);
  if (owner === undefined) return { address, action: 'create', disruption: 'none', reasons: [] };
  const found = hostIntegrity(facts, roots);
  const running = { before: owner.toolstack, after: desired.toolstack, disruption: 'live' as const };
  const before = owner.qemuBinary ?? '(found by search)';
  const after = desired.qemuBinary ?? '(found by search)';
  const reasons: FieldReason[] = [
    ...(running.before === running.after ? [] : [{ path: ['toolstack'], ...running }]),
    ...(before === after ? [] : [{ path: ['qemuBinary'], before, after, disruption: 'live' as const }]),
    ...hostIntegrityParts.flatMap((part) =>
      found[part] === 'ok'
        ? []
        : [{ path: ['integrity', part], before: found[part], after: 'ok', disruption: 'live' as const }],
    ),
  ];
  return reasons.length === 0
    ? { address, action: 'noop', disruption: 'none', reasons }
    : { address, action: 'update', disruption: 'live', reasons };
}
