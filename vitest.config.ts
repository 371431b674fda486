import { defineConfig } from 'vitest/config';

/** Fast projects need neither root nor a host; `e2e` and `conformance` start real ones and run few files at a time. */
const fast = (name: string) => ({
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`],
    environment: 'node' as const,
    setupFiles: ['test/setup.ts'],
    sequence: { groupOrder: 0 },
  },
});
const slow = (name: string, groupOrder: number, include: string[]) => ({
  test: {
    name,
    include,
    environment: 'node' as const,
    setupFiles: ['test/setup.ts'],
    testTimeout: 300_000,
    hookTimeout: 300_000,
    maxWorkers: 4,
    sequence: { groupOrder },
  },
});

export default defineConfig({
  test: {
    projects: [
      fast('unit'),
      fast('golden'),
      fast('property'),
      slow('e2e', 1, ['test/e2e/**/*.test.ts', 'test/lab/**/*.test.ts']),
      slow('conformance', 2, ['test/conformance/**/*.test.ts']),
    ],
  },
});
