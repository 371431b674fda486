import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkOperations, orderOperations } from '../../../provider/executor/order.ts';
import type { Operation } from '../../../provider/model/operation.ts';
import { sh } from '../../../provider/model/shell.ts';

const address = { kind: 'guest', host: 'hv1', name: 'web1' } as const;
const body = sh`true`;

const step = fc.oneof(
  fc.constant({ kind: 'own', body } as const),
  fc.record({
    kind: fc.constant('collective' as const),
    name: fc.constantFrom('start', 'stop'),
    body: fc.constant(body),
    argument: fc.string(),
  }),
);

/** Any operations whose needs point at any of them, or elsewhere: circles are possible. */
const anything = fc
  .array(fc.tuple(fc.array(fc.nat(12), { maxLength: 3 }), step), { maxLength: 10 })
  .map((rows) =>
    rows.map(([needs, one], index): Operation => {
      return { id: `op ${index}`, address, needs: needs.map((need) => `op ${need}`), step: one };
    }),
  );

/** The same without circles: each needs only those with a lower number; a rotation puts some of those behind it. */
const sound = fc.tuple(anything, fc.nat(9)).map(([operations, turn]) => {
  const kept = operations.map((operation, index) => ({
    ...operation,
    needs: operation.needs.filter((need) => Number(need.slice(3)) < index),
  }));
  const cut = kept.length === 0 ? 0 : turn % kept.length;
  return [...kept.slice(cut), ...kept.slice(0, cut)];
});

test('everything runs once, and after what it needs', () => {
  fc.assert(
    fc.property(fc.array(sound, { maxLength: 4 }), (requests) => {
      for (const request of requests) expect(checkOperations(request).ok).toBe(true);
      const { operations, turns } = orderOperations(requests);
      const ran = turns.map((turn) =>
        turn.kind === 'own' ? [turn.member.index] : turn.members.map(({ index }) => index),
      );
      expect(ran.flat().sort((a, b) => a - b)).toEqual(operations.map(({ index }) => index));
      const turnOf = new Map(ran.flatMap((indexes, turn) => indexes.map((index) => [index, turn] as const)));
      for (const { index, needs, operation } of operations) {
        for (const need of needs) expect(turnOf.get(need)).toBeLessThan(turnOf.get(index) ?? -1);
        expect(needs.map((need) => operations[need]?.operation.id).sort()).toEqual(
          [...new Set(operation.needs)].sort(),
        );
      }
    }),
  );
});

test('a circle is found exactly when there is one', () => {
  fc.assert(
    fc.property(anything, (operations) => {
      const waits = new Map(operations.map(({ id, needs }) => [id, needs]));
      const reaches = (from: string, to: string, seen = new Set<string>()): boolean =>
        (waits.get(from) ?? []).some((need) => {
          if (need === to) return true;
          if (seen.has(need)) return false;
          seen.add(need);
          return reaches(need, to, seen);
        });
      const circle = operations.some(({ id }) => reaches(id, id));
      expect(checkOperations(operations).ok).toBe(!circle);
    }),
  );
});
