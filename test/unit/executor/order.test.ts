import { expect, test } from 'vitest';
import { checkOperations, orderOperations, type Turn } from '../../../provider/executor/order.ts';
import { sh } from '../../../provider/model/shell.ts';
import { codesOf, own, together } from '../../e2e/executor/fixture.ts';

const body = sh`true`;

function shown(turn: Turn): string {
  if (turn.kind === 'own') return turn.member.operation.id;
  return turn.members.map(({ operation }) => operation.id).join('+');
}

test('level by level, within a level in the order asked', () => {
  const { turns, operations } = orderOperations([
    [own('c', body, { needs: ['b', 'b', 'nowhere'] }), own('b', body, { needs: ['a'] }), own('a', body)],
    [own('x', body), own('b', body, { needs: ['x'] })],
  ]);
  expect(turns.map(shown)).toEqual(['a', 'x', 'b', 'b', 'c']);
  expect(operations.map(({ index, needs, level }) => [index, needs, level])).toEqual([
    [0, [1], 2],
    [1, [2], 1],
    [2, [], 0],
    [3, [], 0],
    [4, [3], 1],
  ]);
});

test('what comes after others is not held back by how they end', () => {
  const { turns, operations } = orderOperations([
    [{ ...own('late', body), after: ['b', 'nowhere'] }, own('b', body, { needs: ['a'] }), own('a', body)],
  ]);
  expect(turns.map(shown)).toEqual(['a', 'b', 'late']);
  expect(operations[0]).toMatchObject({ needs: [], level: 2 });
  expect(codesOf(checkOperations([{ ...own('a', body), after: ['a'] }]))).toEqual(['operation-circle']);
});

test('collective steps join by level, name and body, across callers', () => {
  const { turns } = orderOperations([
    [own('a', body), together('1', 'n', body, 'x'), together('2', 'n', body, 'y', ['a'])],
    [together('3', 'n', body, 'x'), together('4', 'n', sh`false`, 'x'), together('5', 'm', body, 'x')],
  ]);
  expect(turns.map(shown)).toEqual(['a', '1+3', '4', '5', '2']);
});

test('nothing asked, nothing done', () => {
  expect(orderOperations([[], []])).toEqual({ operations: [], turns: [] });
  expect(checkOperations([]).ok).toBe(true);
});

test('a circle is named with all that waits for it', () => {
  const result = checkOperations([
    own('free', body),
    own('itself', body, { needs: ['itself'] }),
    own('behind', body, { needs: ['itself', 'free'] }),
  ]);
  expect(codesOf(result)).toEqual(['operation-circle']);
  expect(result.ok || result.diagnostics[0]?.summary).toContain('"itself", "behind"');
});
