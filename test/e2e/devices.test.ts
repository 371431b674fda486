import { beforeAll, describe, expect, it } from 'vitest';
import { guestPlaces } from '../../provider/jail/places.ts';
import type { GuestEvidence } from '../../provider/model/evidence.ts';
import { sh, type ShellText, word, words } from '../../provider/model/shell.ts';
import { useLab } from '../lab/vitest.ts';
import { buildGuestImage } from '../lab/guest/image.ts';
import { faults, type GuestOptions, JailHost, stateOf, type TestGuest } from './jail.fixture.ts';

const running = useLab({ hosts: 1, name: 'devices' });
let jail: JailHost;

/** Nodes of the host's as a definition may name them: numbers of devices that do no harm, at names that no other test has. */
beforeAll(async () => {
  jail = new JailHost(running.host);
  await jail.prepare(await buildGuestImage());
  await running.host.run(sh`mkdir -p /dev/given/deep
mknod -m 0640 /dev/given/12 c 1 9 && chown 0:1234 /dev/given/12
mknod -m 0600 /dev/given/other c 1 5
mknod -m 0660 /dev/given/deep/loop b 7 0
ln -s given/12 /dev/link && ln -s given /dev/directory
setfacl -m u:4321:rw /dev/given/12`);
});

const inside = async (evidence: GuestEvidence | undefined, script: ShellText): Promise<string> => {
  const parent = evidence?.processes.find(({ role }) => role === 'namespace-parent')?.pid ?? 0;
  return running.host.run(sh`cd /proc/${parent}/root/dev && ${script}`);
};

const observedOf = (evidence: GuestEvidence | undefined, name: string) => {
  const layer = evidence?.layers.find((each) => each.layer === name);
  return `${layer?.state}: ${layer?.observed}`;
};

const given = ['given/12', 'given/deep/loop', 'net/tun'];
/** QEMU holds this node open for as long as it runs. */
const holds = (node: string) => ['-S', '-object', `rng-random,id=r,filename=/dev/${node}`];

async function started(options: GuestOptions): Promise<[TestGuest, GuestEvidence]> {
  const guest = jail.place(options);
  await jail.start(guest);
  const [evidence] = await jail.settled(guest);
  if (evidence === undefined) throw new Error('no evidence');
  return [guest, evidence];
}

describe('devices of the definition', () => {
  it('are in the guest’s /dev as on the host, in directories with nothing else, and QEMU may hold them', async () => {
    const [guest, evidence] = await started({ plan: { devices: given }, qemu: holds('given/12') });
    expect(faults(evidence)).toEqual({});
    const shown = sh`stat -c '%n %F %t:%T %a %u:%g' -- ${words(given)}`;
    expect(await inside(evidence, shown)).toBe(await running.host.run(sh`cd /dev && ${shown}`));
    const files = await inside(evidence, sh`find given net | sort`);
    expect(files).toBe('given\ngiven/12\ngiven/deep\ngiven/deep/loop\nnet\nnet/tun\n');
    const open = evidence.layers.find(({ layer }) => layer === 'open-files');
    expect(open?.raw.filter((line) => line.endsWith(' /dev/given/12'))).toHaveLength(1);
    await jail.stop(guest);
  });

  it('keep the ACL of the host’s node', async () => {
    const [guest, evidence] = await started({ plan: { devices: ['given/12', 'given/other'] } });
    const acl = (node: string) => sh`getfacl --numeric --omit-header -- ${word(node)}`;
    const ours = await inside(evidence, acl('given/12'));
    expect(ours).toContain('user:4321:rw-\n');
    expect(ours).toBe(await running.host.run(sh`cd /dev && ${acl('given/12')}`));
    expect(await inside(evidence, acl('given/other'))).not.toContain('4321');
    await jail.stop(guest);
  });

  it('would have neither ACL nor owner from a launcher that does not copy them', async () => {
    const breakLauncher = (script: string) => script.replaceAll('cp -a -- ', 'cp -R -- ');
    const guest = jail.place({ plan: { devices: ['given/12'] }, breakLauncher });
    await jail.start(guest);
    const [evidence] = await jail.until(
      () => jail.evidence(guest),
      ([shown]) => shown !== undefined && stateOf(shown, 'user') === 'effective',
    );
    expect(await inside(evidence, sh`getfacl --numeric --omit-header given/12`)).not.toContain('4321');
    expect(observedOf(evidence, 'private-dev')).toBe(
      "ineffective: /dev/given/12 belongs to 0:0, the host's own to 0:1234",
    );
    await jail.stop(guest);
  });

  it('count as open files only where they were asked for', async () => {
    const guest = jail.place({ plan: { devices: ['given/other'] }, qemu: holds('random') });
    await jail.start(guest);
    const [evidence] = await jail.until(
      () => jail.evidence(guest),
      ([shown]) => shown !== undefined && stateOf(shown, 'user') === 'effective',
    );
    expect(observedOf(evidence, 'open-files')).toBe('ineffective: device-model holds "/dev/random"');
    await jail.stop(guest);
  });
});

describe('a device that cannot be given ends the launch', () => {
  it.each([
    ['given/none', '/dev/given/none is no device, or not there'],
    ['given/deep', '/dev/given/deep is no device, or not there'],
    ['link', '/dev/link leads over the symbolic link /dev/link: give the device’s own path'],
    [
      'directory/12',
      '/dev/directory/12 leads over the symbolic link /dev/directory: give the device’s own path',
    ],
  ])('%s', async (device, reason) => {
    const off = { ...jail.place().plan.requests, 'private-dev': 'off' } as const;
    for (const plan of [{ devices: [device] }, { devices: [device], requests: off }]) {
      const guest = jail.place({ plan });
      await jail.startDoomed(guest);
      await jail.until(
        () => jail.unitProperty(guest, 'ActiveState'),
        (state) => state === 'failed',
      );
      expect(await running.host.run(['cat', guestPlaces(guest.name).launchError])).toBe(
        `device-nodes: ${reason.replaceAll('’', "'")}\n`,
      );
    }
  });
});

describe('evidence of nodes', () => {
  const changes: readonly (readonly [string, ShellText, string])[] = [
    ['a node beside those asked for', sh`mknod given/13 c 1 9`, 'unexpected "/dev/given/13"'],
    ['a hidden one', sh`mknod .sda b 8 0`, 'unexpected "/dev/.sda"'],
    ['a hidden one in a directory', sh`mknod given/.sda b 8 0`, 'unexpected "/dev/given/.sda"'],
    ['a directory', sh`mkdir more`, 'unexpected "/dev/more"'],
    ['a link', sh`ln -s nowhere given/more`, 'unexpected "/dev/given/more"'],
    [
      'another device of its name',
      sh`rm given/12 && mknod given/12 c 1 5`,
      '/dev/given/12 is another device',
    ],
    [
      'a block device in place of one of characters',
      sh`rm given/12 && mknod given/12 b 1 9`,
      '/dev/given/12 is another device',
    ],
    ['a link to it', sh`rm given/12 && ln -s /dev/given/12 given/12`, '/dev/given/12 is a symbolic link'],
    ['none', sh`rm given/deep/loop`, '/dev/given/deep/loop is missing'],
    [
      'a mode with more in it',
      sh`setfacl -b given/12 && chmod 0646 given/12`,
      "/dev/given/12 has mode 0646, the host's own 0660",
    ],
    ['another owner', sh`chown 1:1234 given/12`, "/dev/given/12 belongs to 1:1234, the host's own to 0:1234"],
    [
      'another owner of a node that all guests have',
      sh`chown 1 zero`,
      "/dev/zero belongs to 1:0, the host's own to 0:0",
    ],
  ];

  it('shows what is not as on the host', async () => {
    const guests = changes.map(() => jail.place({ plan: { devices: given } }));
    await jail.start(...guests);
    const before = await jail.settled(...guests);
    expect(before.map(faults)).toEqual(guests.map(() => ({})));
    for (const [index, [, change]] of changes.entries()) await inside(before[index], change);
    const after = await jail.evidence(...guests);
    expect(
      after.map((evidence, index) => [changes[index]?.[0], observedOf(evidence, 'private-dev')]),
    ).toEqual(changes.map(([what, , observed]) => [what, `ineffective: ${observed}`]));
    for (const evidence of after) expect(Object.keys(faults(evidence))).toEqual(['private-dev']);
    await jail.stop(...guests);
  });

  it('is measured against the host’s own node of now, which may have gone', async () => {
    const [guest] = await started({ plan: { devices: ['given/other'] } });
    const now = async () => observedOf((await jail.evidence(guest))[0], 'private-dev');
    await running.host.run(['chmod', '0666', '/dev/given/other']);
    expect(await now()).toBe('effective: as requested');
    await running.host.run(['chmod', '0400', '/dev/given/other']);
    expect(await now()).toBe("ineffective: /dev/given/other has mode 0600, the host's own 0400");
    await running.host.run(['rm', '/dev/given/other']);
    expect(await now()).toBe('unproven: the host has no /dev/given/other any more to compare with');
    await running.host.run(sh`mknod -m 0600 /dev/given/other c 1 3`);
    expect(await now()).toBe('ineffective: /dev/given/other is another device');
    await jail.stop(guest);
  });
});
