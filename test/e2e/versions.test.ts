import { beforeAll, describe, expect, it } from 'vitest';
import { sh } from '../../provider/model/shell.ts';
import type { GuestDesired } from '../../provider/resources/guest/desired.ts';
import { buildGuestImage } from '../lab/guest/image.ts';
import { guestBanner, guestCommandLine, microvmCommandLine } from '../lab/guest/init.ts';
import { useLab } from '../lab/vitest.ts';
import { qemuOfVersion } from '../qemu-versions.ts';
import { Core, placeKernels } from './core.fixture.ts';
import { value } from './preparation.fixture.ts';

const kernel = { kind: 'host', path: '/srv/kernels/vmlinux' } as const;
const initrd = { kind: 'host', path: '/srv/kernels/disk' } as const;
const base = { path: '/srv/disks/base.img', format: 'raw' } as const;
const disksOf = (guest: string): GuestDesired['disks'] => [
  {
    name: 'root',
    path: `/srv/disks/${guest}.qcow2`,
    format: 'qcow2',
    readonly: false,
    backing: [base],
    sizeMib: 16,
  },
  { name: 'tools', ...base, readonly: true, backing: [] },
];

/** One intent each; what it comes to is QEMU's to say. */
const intents: Readonly<Record<string, Partial<GuestDesired>>> = {
  plain: {},
  q35: { machine: 'q35', disks: disksOf('q35'), network: 'user' },
  pc: { machine: 'pc', disks: disksOf('pc'), network: 'user' },
  microvm: { machine: 'microvm', disks: disksOf('microvm'), network: 'user' },
  shared: { sharedMemory: true },
  'shared-microvm': { machine: 'microvm', sharedMemory: true },
};

describe.each([
  ['bookworm', '7.2'],
  ['trixie', '10.0'],
] as const)('Debian %s, QEMU %s', (suite, version) => {
  const lab = useLab({ hosts: 1, name: suite, suite });
  let core: Core;
  beforeAll(async () => {
    const image = await buildGuestImage();
    placeKernels(lab.host, { [kernel.path]: image.unpackedKernel, [initrd.path]: image.diskInitrd });
    await lab.host.run(sh`mkdir -p /srv/disks && cd /srv/disks
truncate -s 16M base.img && echo 'the base image' | dd of=base.img conv=notrunc status=none
for guest in q35 pc microvm; do qemu-img create -q -f qcow2 -b /srv/disks/base.img -F raw "$guest.qcow2"; done
chmod 0600 *`);
    core = new Core(lab.host);
  });

  it('answers what is on record of that version', async () => {
    const { qemu, virtiofsd } = (await core.see()).facts.capabilities;
    expect(qemu?.version).toMatch(new RegExp(`^${version.replace('.', '\\.')}\\.`));
    const { binary, machines, devices, fsdevDrivers, ...record } = qemuOfVersion[version];
    const flags = Object.entries(record).filter(([, flag]) => typeof flag === 'boolean');
    expect(qemu).toMatchObject(Object.fromEntries(flags));
    expect(qemu).toMatchObject({ binary, fsdevDrivers });
    expect(qemu?.machines).toEqual(expect.arrayContaining([...machines]));
    expect(qemu?.devices).toEqual(expect.arrayContaining([...devices]));
    const isRust = suite === 'trixie';
    expect(virtiofsd).toMatchObject({ kind: isRust ? 'rust' : 'c', translatesIds: isRust });
  });

  it('runs guests on every machine type with all they may have, each layer as it should be', async () => {
    const guests = Object.entries(intents).map(([name, intent]) =>
      core.guest(name, {
        memoryMib: 128,
        kernel,
        initrd,
        commandLine: intent.machine === 'microvm' ? microvmCommandLine : guestCommandLine,
        ...intent,
      }),
    );
    await core.converge(core.wish(guests));
    const serials = () =>
      Promise.all(guests.map(async ({ name }) => (await core.serialLog(name)).toString('latin1')));
    await core.until(async () => (await serials()).every((text) => text.includes(guestBanner)));
    const said = await serials();
    for (const [index, { name, disks }] of guests.entries()) {
      const lines = (said[index] ?? '').split(/\r?\n/);
      expect([name, lines.find((line) => line.startsWith(guestBanner))]).toEqual([name, expect.any(String)]);
      const found = lines.filter((line) => line.startsWith('disk '));
      expect([name, found]).toEqual([
        name,
        disks.length === 0
          ? []
          : [
              'disk vda serial=root bytes=16777216 ro=0 text=[the base image]',
              'disk vdb serial=tools bytes=16777216 ro=1 text=[the base image]',
            ],
      ]);
    }
    // Nothing that only runs shows in the evidence: what was judged before the userland was up is judged again
    expect(value(await core.plan(core.wish(guests))).operations).toEqual([]);
    await core.leave(guests.map(({ name }) => name));
    await core.link.close();
  });
});
