import { describe, expect, it } from 'vitest';
import { launcherScript } from '../../../provider/jail/launcher.ts';
import type { GuestDesired } from '../../../provider/resources/guest/desired.ts';
import { guestObstacles, renderGuest } from '../../../provider/resources/guest/render.ts';
import { qemuOfVersion, qemuVersions } from '../../qemu-versions.ts';
import { sampleGuest, sampleHost } from '../../samples.ts';

const data = {
  name: 'data',
  path: '/srv/data.img',
  format: 'raw',
  readonly: false,
  backing: [],
  sizeMib: 1024,
} as const;
const disks: GuestDesired['disks'] = [
  {
    name: 'root',
    path: '/srv/web1.qcow2',
    format: 'qcow2',
    readonly: false,
    backing: [
      { path: '/srv/middle.qcow2', format: 'qcow2' },
      { path: "/srv/it's, a base.img", format: 'raw' },
    ],
    sizeMib: 2048,
  },
  data,
  { name: 'tools', path: '/srv/tools.img', format: 'raw', readonly: true, backing: [] },
  { name: 'fast', path: '/dev/vg/fast', format: 'raw', readonly: false, backing: [] },
  { name: 'gone', path: '/srv/gone.qcow2', format: 'qcow2', readonly: true, backing: [] },
];

const intents: Readonly<Record<string, Partial<GuestDesired>>> = {
  plain: {},
  disks: { disks },
  'shared-memory': { sharedMemory: true },
  'user-network': { network: 'user' },
  kvm: { accelerator: 'kvm' },
  microvm: { machine: 'microvm', disks: [data], network: 'user' },
};
const cases = qemuVersions.flatMap((version) =>
  Object.keys(intents).map((intent) => [version, intent] as const),
);

/** The last command of the launcher, an argument a line: what the intent comes to, limits and confinement included. */
function lastCommand(launcher: string): string {
  const start = launcher.lastIndexOf('  exec prlimit ');
  const command = launcher.slice(start, launcher.indexOf('\n}', start));
  const words = command.replaceAll(/\\\n +/g, '').replaceAll(/ (?=-[a-z])/g, '\n');
  return words.replace(' </dev/null', '\n</dev/null');
}

describe.each(cases)('QEMU %s: %s', (version, intent) => {
  it('has the flags of that version, or none and the reason', async () => {
    const guest = sampleGuest(intents[intent]);
    const host = { ...sampleHost, qemu: qemuOfVersion[version] };
    const obstacles = guestObstacles(guest, host).map(
      ({ code, summary }) => `refused: ${code}: ${summary}\n`,
    );
    const shown =
      obstacles.length > 0 ? obstacles.join('') : lastCommand(launcherScript(renderGuest(guest, host).plan));
    await expect(`${shown.trim()}\n`).toMatchFileSnapshot(`${version}/${intent}.txt`);
  });
});

it('one intent makes no difference beyond how a QEMU wants it said', () => {
  const rendered = qemuVersions.map((version) => {
    const { plan } = renderGuest(sampleGuest({ disks, network: 'user' }), {
      ...sampleHost,
      qemu: qemuOfVersion[version],
    });
    return JSON.stringify({ ...plan, confinement: undefined });
  });
  expect(new Set(rendered).size).toBe(1);
});
