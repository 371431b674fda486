import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import type { GuestDesired } from '../../../provider/resources/guest/desired.ts';
import { renderXlGuest } from '../../../provider/resources/guest/render-xl.ts';
import { sampleXenHost, xlGuest } from '../../xl-samples.ts';

const cases: readonly (readonly [string, Partial<GuestDesired>])[] = [
  ['plain', {}],
  [
    'everything',
    {
      memoryMib: 512,
      vcpus: 4,
      machine: 'pc',
      initrd: { kind: 'host', path: '/boot/initrd.img' },
      disks: [
        { name: 'root', path: '/dev/vg0/web1', format: 'raw', readonly: false, backing: [] },
        { name: 'data', path: '/dev/loop7', format: 'raw', readonly: true, backing: [] },
      ],
      limits: { cpuPercent: 50, memoryOverheadMib: 300, tasks: 100 },
      restartPolicy: 'on_crash',
      shutdownTimeoutSeconds: 30,
    },
  ],
  ['shared-user', { scheme: 'shared' }],
  ['range', { scheme: 'range' }],
  [
    'hostile',
    {
      commandLine: `quiet "]; on_crash='restart' \\x41 $(reboot) \`id\` ünï`,
      kernel: { kind: 'host', path: '/srv/it\'s "a" kernel, 100% $(x)\\n' },
      disks: [{ name: 'a', path: '/dev/x,vdev=hda,access=rw', format: 'raw', readonly: true, backing: [] }],
    },
  ],
];

describe('a guest of xl', () => {
  it.each(cases)('%s', async (name, change) => {
    const { launcher, dropIn, plan } = renderXlGuest(xlGuest(change), sampleXenHost);
    await expect(plan.config).toMatchFileSnapshot(`guest/${name}.xl.cfg`);
    await expect(dropIn).toMatchFileSnapshot(`guest/${name}.conf`);
    if (name === 'plain' || name === 'shared-user' || name === 'range')
      await expect(launcher).toMatchFileSnapshot(`guest/${name}.launch.sh`);
  });

  it.each(cases)('%s is a script that shells can read', (_, change) => {
    const { launcher } = renderXlGuest(xlGuest(change), sampleXenHost);
    for (const shell of [['sh'], ['bash', '--posix']]) {
      const [program = '', ...options] = shell;
      const read = spawnSync(program, [...options, '-n'], { input: launcher, encoding: 'utf8' });
      expect([shell, read.status, read.stderr]).toEqual([shell, 0, '']);
    }
  });
});
