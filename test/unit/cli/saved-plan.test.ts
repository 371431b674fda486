import { describe, expect, it } from 'vitest';
import type { FleetPlan, PlannedHost } from '../../../provider/cli/planning.ts';
import { asSaved, parseSavedPlan, savedPlan, type SavedPlan } from '../../../provider/cli/saved-plan.ts';
import type { Operation } from '../../../provider/model/operation.ts';
import { sh } from '../../../provider/model/shell.ts';
import type { Definitions } from '../../../provider/spec/definitions.ts';
import { readDefinitions } from '../../../provider/spec/yaml/read.ts';
import { plannedHost } from '../../cli-plans.ts';

function definitionsOf(memoryMib: number, key = 'a'): Definitions {
  const text = `
fleet: prod
hosts: { hv1: { address: x, hostKey: ssh-ed25519 AAAA, privateKey: ${key} } }
users: [{ host: hv1 }]
guests: { web1: { host: hv1, memoryMib: ${memoryMib}, kernel: { hostFile: /boot/k } } }
`;
  const read = readDefinitions([{ name: 'x.yaml', text }]);
  if (!read.ok) throw new Error(read.diagnostics[0]?.summary);
  return read.value;
}

const web1 = { kind: 'guest', host: 'hv1', name: 'web1' } as const;
const db1 = { ...web1, name: 'db1' } as const;
const restart = { address: web1, action: 'restart', disruption: 'restart', reasons: [] } as const;

function step(
  id: string,
  address: Operation['address'],
  text = sh`true`,
  needs: readonly string[] = [],
): Operation {
  return { id, address, needs, step: { kind: 'own', body: text } };
}

function planOf(change: Partial<PlannedHost> = {}): FleetPlan {
  const host = {
    ...plannedHost('hv1', [restart, { ...restart, address: db1, action: 'noop' }]),
    basis: { 'guest web1 on hv1: generation': '3' },
    operations: [step('a', web1)],
    ...change,
  };
  return { fleet: 'prod', hosts: [host], failures: [], warnings: [] };
}

const request = { files: ['stockade.yaml'], limit: [], exclude: [], destroy: false };
function saved(plan = planOf(), definitions = definitionsOf(64)): SavedPlan {
  const text = JSON.stringify(savedPlan(plan, definitions, request, '2026-01-01T00:00:00Z'));
  const parsed = parseSavedPlan(text, 'x.plan');
  if (!parsed.ok) throw new Error(parsed.diagnostics[0]?.summary);
  return parsed.value;
}
const why = (result: ReturnType<typeof asSaved>) =>
  result.ok ? '' : result.diagnostics.map(({ summary, detail }) => `${summary}; ${detail ?? ''}`).join('\n');

describe('a saved plan', () => {
  it('holds neither steps nor secrets, and comes back as it was', () => {
    const text = JSON.stringify(
      saved(planOf({ operations: [step('a', web1, sh`rm -rf /`)] }), definitionsOf(64, 'secret-key')),
    );
    expect(text).not.toContain('rm -rf');
    expect(text).not.toContain('secret-key');
    expect(text).toContain('generation":"3"');
  });

  it('is applied where nothing that it rests on has changed, another key included', () => {
    const now = asSaved(saved(), planOf(), definitionsOf(64, 'b'));
    expect(now).toMatchObject({
      ok: true,
      value: { hosts: [{ changes: [restart], operations: [{ id: 'a' }] }] },
    });
  });

  it('leaves out what would be changed beside it by now', () => {
    const drift = { ...restart, address: db1 };
    const anew = planOf({
      changes: [restart, drift],
      // what is left waits for nothing that is left out
      operations: [step('b', db1), step('a', web1, sh`true`, ['b'])],
    });
    const now = asSaved(saved(), anew, definitionsOf(64));
    expect(now).toMatchObject({ ok: true });
    expect(now.ok && now.value.hosts.flatMap(({ operations }) => operations.map(({ id }) => id))).toEqual([
      'a',
    ]);
    expect(now.ok && now.value.hosts[0]?.changes).toEqual([restart]);
  });

  it('is refused after a change of what it rests on, which is named', () => {
    const moved = planOf({ basis: { 'guest web1 on hv1: generation': '4' } });
    expect(why(asSaved(saved(), moved, definitionsOf(64)))).toContain(
      'guest web1 on hv1: generation: 3 -> 4',
    );
  });

  it('is refused where other steps would be run', () => {
    const other = planOf({ operations: [step('a', web1, sh`false`)] });
    expect(why(asSaved(saved(), other, definitionsOf(64)))).toContain('other steps');
    expect(why(asSaved(saved(), planOf({ operations: [], changes: [] }), definitionsOf(64)))).toContain(
      'other steps',
    );
  });

  it('is refused with other definitions, another fleet, or a host that is gone', () => {
    expect(why(asSaved(saved(), planOf(), definitionsOf(65)))).toContain('definitions were changed');
    expect(why(asSaved(saved(), { ...planOf(), fleet: 'other' }, definitionsOf(64)))).toContain('fleet prod');
    expect(why(asSaved(saved(), { ...planOf(), hosts: [] }, definitionsOf(64)))).toContain(
      'host hv1 is not in',
    );
  });

  it.each(['', '{', '[]', '{"format":"stockade-plan 2"}', 'null', JSON.stringify({ ...saved(), more: 1 })])(
    'is not read from %j',
    (text) => {
      expect(parseSavedPlan(text, 'x.plan')).toMatchObject({
        ok: false,
        diagnostics: [{ code: 'plan-unreadable' }],
      });
    },
  );
});
