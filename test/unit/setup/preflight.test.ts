import { describe, expect, test } from 'vitest';
import { labCache } from '../../lab/paths.ts';
import { cacheDirectory, type Machine, obstacles } from '../../../scripts/setup/preflight.mjs';

const good: Machine = {
  platform: 'linux',
  architecture: 'x64',
  nodeMajor: 20,
  uid: 0,
  osRelease: 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n',
  hasProgram: () => true,
  freeBytes: () => 100 * 1024 ** 3,
  exists: () => false,
};
const without = (missing: string) => (program: string) => program !== missing;

describe('obstacles', () => {
  test('a suitable machine has none', () => {
    expect(obstacles('/repository', good)).toEqual([]);
    expect(obstacles('/repository', { ...good, osRelease: 'ID=ubuntu\nID_LIKE="debian"\n' })).toEqual([]);
  });

  test.each<[string, Partial<Machine>, RegExp]>([
    [
      'another system',
      { platform: 'darwin', uid: 501 },
      /^this needs Linux, not darwin; use a Debian 12 machine/,
    ],
    ['an old Node', { nodeMajor: 18 }, /^this needs Node 20 or newer, not 18; install it/],
    ['another processor', { architecture: 'arm64' }, /^this needs an x86-64 processor, not arm64; use/],
    [
      'another distribution',
      { osRelease: 'ID=fedora\n' },
      /^this needs Debian with apt-get .*; use a Debian 12 machine/,
    ],
    [
      'no apt-get',
      { hasProgram: without('apt-get') },
      /^this needs Debian with apt-get .*; use a Debian 12 machine/,
    ],
    ['not root', { uid: 1000 }, /^test hosts need root .*; run the same command as root/],
    ['no terraform', { hasProgram: without('terraform') }, /^terraform is not on PATH; install it/],
  ])('%s is one line that says what to do', (_, machine, line) => {
    const found = obstacles('/repository', { ...good, ...machine });
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(line);
    expect(found[0]).not.toContain('\n');
  });

  test('a full disk is a line for each place, with what is there and what is needed', () => {
    const found = obstacles('/repository', { ...good, freeBytes: () => 0.5 * 1024 ** 3 });
    expect(found).toEqual([
      expect.stringMatching(
        /lab has 0\.5 GiB of free disk space, 6 GiB are needed; free some, or set STOCKADE_CACHE/,
      ),
      '/repository has 0.5 GiB of free disk space, 1 GiB are needed; free some',
    ]);
  });

  test('less is needed where everything is in place already', () => {
    expect(
      obstacles('/repository', { ...good, exists: () => true, freeBytes: () => 1.5 * 1024 ** 3 }),
    ).toEqual([]);
  });
});

test('the checks look at the directory that the lab uses', () => {
  for (const environment of [
    {},
    { STOCKADE_CACHE: '/a' },
    { XDG_CACHE_HOME: '/b' },
    { XDG_CACHE_HOME: '' },
  ]) {
    expect(cacheDirectory(environment)).toBe(labCache(environment));
  }
});
