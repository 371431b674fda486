import { beforeAll, describe, expect, test } from 'vitest';
import { sh, word } from '../../provider/model/shell.ts';
import {
  attackProxy,
  makeProxyTarget,
  placeProxyPrograms,
  type ProxyTarget,
  startBareHelper,
  startDetachedHelper,
  startNaiveServer,
} from '../lab/hostile/proxy.ts';
import { type ProxyAttack, proxyAttacks } from '../lab/hostile/proxy-report.ts';
import { useLab } from '../lab/vitest.ts';

const lab = useLab({ hosts: 1, name: 'proxy-hostile' });
let target: ProxyTarget;
beforeAll(async () => {
  placeProxyPrograms(lab.host);
  target = await makeProxyTarget(lab.host, '/srv/proxy');
});

/** The attacks that reached the canary. */
const hit = ({ attacks }: Awaited<ReturnType<typeof attackProxy>>) =>
  [...attacks].filter(([, { hits }]) => hits > 0).map(([name]) => name);

const byPath: readonly ProxyAttack[] = [
  'symlink-absolute',
  'symlink-relative',
  'dotdot',
  'race',
  'hard-link',
];

describe('a server without a chroot', () => {
  test('is left by every path, when it trusts them', async () => {
    const stop = await startNaiveServer(lab.host, target, 'plain');
    const only: readonly ProxyAttack[] = [
      ...byPath,
      'renamed-parent',
      'device',
      'nul',
      'kernel-paths',
      'flags',
      'descriptor',
    ];
    const report = await attackProxy(lab.host, target, { only, seconds: 10, stopAt: 5 }).finally(stop);
    expect(hit(report).sort()).toEqual([...only].sort());
  });

  test('is left in the race alone, when it looks before each use', async () => {
    const stop = await startNaiveServer(lab.host, target, 'checking');
    const report = await attackProxy(lab.host, target, { only: byPath, seconds: 30, stopAt: 5 }).finally(
      stop,
    );
    expect(hit(report)).toEqual(['race']);
  });
});

describe('virtfs-proxy-helper as its manual starts it', () => {
  test('leads nowhere by any path; but a directory that it passed leads upwards, and it leaves what a host user can use', async () => {
    const stop = await startBareHelper(lab.host, target);
    const report = await attackProxy(lab.host, target, { seconds: 10, program: '/usr/bin/id' }).finally(stop);
    // what its chroot cannot hold: the descriptor is used by QEMU itself, outside of it
    expect(hit(report)).toEqual(['descriptor']);
    expect([...report.attacks.keys()]).toEqual([...proxyAttacks]);
    const race = report.attacks.get('race');
    expect(race?.tries).toBeGreaterThan(1000);
    for (const seen of ['swaps', 'inside', 'refused']) expect(race?.details[seen]).toBeGreaterThan(100);
    expect(report.attacks.get('renamed-parent')?.details['swaps']).toBeGreaterThan(100);
    expect(report.inside).toMatchObject({ 'set-uid': 1, disk: 1, zero: 1, 'file-capabilities': 0 });
    // why a writable source must be out of the reach of users, or on a mount without set-user-id files
    const plain = await lab.host.run(
      sh`setpriv --reuid 1001 --regid 100 --clear-groups ${word(`${target.export}/hostile-left/program`)} -u`,
    );
    expect(plain).toBe('0\n');
  });

  test('passes nothing that leads upwards, once its export is a mount that hangs on nothing', async () => {
    const bare = await startBareHelper(lab.host, target);
    const only = ['dotdot', 'descriptor'] as const;
    const before = await attackProxy(lab.host, target, { only }).finally(bare);
    expect(before.attacks.get('descriptor')?.details['above']).toBeGreaterThan(0);
    const detached = await startDetachedHelper(lab.host, target);
    const after = await attackProxy(lab.host, target, { only }).finally(detached);
    expect(hit(after)).toEqual([]);
    expect(after.attacks.get('descriptor')?.details['above']).toBe(0);
  });
});
