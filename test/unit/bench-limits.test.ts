import { expect, it } from 'vitest';
import { beyond } from '../bench/limits.ts';
import { sizedLimits } from '../bench/sized.ts';

const limit = (value: number) => ({ what: 'a plan', value, most: 2, unit: 'ms' });

it('a figure is told that is beyond its limit, or was not measured', () => {
  expect(beyond([limit(1), limit(2), limit(2.5), limit(Number.NaN)])).toEqual([
    'a plan: 2.50 ms, at most 2',
    'a plan: NaN ms, at most 2',
  ]);
});

it.each([
  [1000, 900, []],
  [2000, 900, ['Read: exponent from 100 to 1000 guests']],
  [1000, 1100, ['Read: memory']],
])('growth to %d ms and %d MiB', (cpuMs, peakMib, told) => {
  const costs = [
    { guests: 100, ms: 100, cpuMs: 100, peakMib: 90 },
    { guests: 1000, ms: cpuMs, cpuMs, peakMib },
  ];
  expect(beyond(sizedLimits('Read:', costs)).map((text) => text.replace(/: [\d.]+ .*/, ''))).toEqual(told);
});
