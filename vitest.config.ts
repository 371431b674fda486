import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/longest-first.ts';

/** On emulated machines: beside others they would take many times as long. */
const onMachine = [
  'test/e2e/lsm.test.ts',
  'test/e2e/vm-host.test.ts',
  'test/e2e/xen*.test.ts',
  'test/lab/vm/*.test.ts',
];

/**
 * Fast projects need neither root nor a host; `e2e`, `machine` and `conformance` start real ones and run few files at a time.
 */
const fast = (name: string) => ({
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`],
    environment: 'node' as const,
    setupFiles: ['test/setup.ts'],
    sequence: { groupOrder: 0 },
  },
});
const slow = (
  name: string,
  groupOrder: number,
  include: string[],
  exclude: string[] = [],
  seconds = 300,
  maxWorkers = 4,
  retry = 0,
) => ({
  test: {
    name,
    include,
    exclude,
    environment: 'node' as const,
    setupFiles: ['test/setup.ts'],
    testTimeout: seconds * 1000,
    hookTimeout: seconds * 1000,
    maxWorkers,
    retry,
    sequence: { groupOrder },
  },
});

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      fast('unit'),
      fast('golden'),
      fast('property'),
      slow('e2e', 1, ['test/e2e/**/*.test.ts', 'test/lab/**/*.test.ts'], onMachine),
      // each keeps one processor busy; the emulation of Xen's guests leads a program of dom0 astray now and then: see test/lab/vm/xen.ts
      slow('machine', 2, onMachine, [], 1200, 2, 1),
      slow('conformance', 3, ['test/conformance/**/*.test.ts']),
    ],
  },
});
