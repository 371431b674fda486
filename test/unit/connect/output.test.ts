import { expect, test } from 'vitest';
import { Output } from '../../../provider/connect/output.ts';

test('after the bound is crossed nothing is taken, though it would fit', () => {
  const output = new Output('marker', 10);
  const taken = ['12345', '678901', '6', ''].map((piece) => output.addStdout(Buffer.from(piece)));
  expect(taken).toEqual([true, false, false, false]);
  expect(output.stdout().toString()).toBe('12345');
});
