import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import type { GuestDesired, GuestShare } from '../../../provider/resources/guest/desired.ts';
import { guestObstacles, type HostWithQemu, renderGuest } from '../../../provider/resources/guest/render.ts';
import { helperShares } from '../../../provider/jail/launch-share.ts';
import { defaultRoots } from '../../../provider/model/paths.ts';
import { shareArguments } from '../../../provider/shares/qemu.ts';
import { qemuOfVersion } from '../../qemu-versions.ts';
import { sampleGuest, sampleHost, sampleShare } from '../../samples.ts';

const debian12: HostWithQemu = {
  ...sampleHost,
  qemu: qemuOfVersion['7.2'],
  virtiofsd: { path: '/usr/lib/qemu/virtiofsd', kind: 'c', translatesIds: false },
  proxyHelper: '/usr/lib/qemu/virtfs-proxy-helper',
};
const debian13: HostWithQemu = {
  ...sampleHost,
  qemu: qemuOfVersion['10.0'],
  virtiofsd: { path: '/usr/libexec/virtiofsd', kind: 'rust', translatesIds: true },
};
const apparmor = { lsm: ['capability', 'apparmor'], apparmorParser: '/usr/sbin/apparmor_parser' } as const;
const written = { readonly: false, maxFileMib: 1024 } as const;
const proxy = sampleShare({ driver: 'proxy' });
/** Whatever a path may have that a shell, QEMU or systemd could read as something else. */
const odd = `/srv/it's a "share", 100%s $(x) \`y\` \\n *`;
const map = (kind: number): GuestShare['uidMap'] => [
  { guest: 1000, host: 100_000 + kind, count: 500 },
  { guest: 0, host: 200_000 + kind, count: 1 },
];

interface Case {
  readonly host: HostWithQemu;
  readonly guest: Partial<GuestDesired> & Pick<GuestDesired, 'shares'>;
}
const cases: Readonly<Record<string, Case>> = {
  'proxy-readonly': { host: debian12, guest: { shares: [proxy] } },
  'proxy-writable': {
    host: debian12,
    guest: { shares: [{ ...proxy, ...written }], restartPolicy: 'on_crash' },
  },
  'virtiofs-c-all-options': {
    host: debian12,
    guest: {
      shares: [sampleShare({ ...written, writers: 'many', cache: 'never', announceSubmounts: true })],
    },
  },
  'virtiofs-rust-maps': {
    host: debian13,
    guest: { shares: [sampleShare({ ...written, cache: 'metadata', uidMap: map(0), gidMap: map(7) })] },
  },
  'virtiofs-microvm': { host: debian13, guest: { machine: 'microvm', shares: [sampleShare()] } },
  local: {
    host: { ...sampleHost, qemu: qemuOfVersion['10.0'] },
    guest: { shares: [sampleShare(), sampleShare({ tag: 'w', source: '/srv/w', ...written })] },
  },
  labelled: {
    host: { ...debian12, ...apparmor },
    guest: { shares: [proxy, sampleShare({ tag: 'v', driver: 'virtiofs' })] },
  },
  'labelled-namespace': { host: { ...debian13, ...apparmor }, guest: { shares: [sampleShare()] } },
  'each-needs-quotes': {
    host: debian12,
    guest: {
      shares: [
        sampleShare({ tag: 'p.1', driver: 'proxy', source: `${odd}/p` }),
        sampleShare({ tag: 'v_2', driver: 'virtiofs', source: `${odd}/v`, ...written }),
        sampleShare({ tag: 'L-3', driver: 'local', source: `${odd}/l`, ...written }),
      ],
    },
  },
};

const all = Object.entries(cases).map(([name, { host, guest: change }]) => {
  const guest = sampleGuest(change);
  return { name, host, guest, ...renderGuest(guest, host) };
});

describe.each(all)('a guest with shares: $name', ({ name, host, guest, plan, dropIn }) => {
  it('can be had there', () => {
    expect(guestObstacles(guest, host)).toEqual([]);
    expect(plan.shares).toHaveLength(guest.shares.length);
  });

  it("QEMU's arguments", async () => {
    const own = shareArguments(guest.name, plan, guest.machine, defaultRoots);
    expect(plan.qemuArguments.slice(-own.length)).toEqual(own);
    await expect(`${own.join('\n')}\n`).toMatchFileSnapshot(`${name}/qemu.txt`);
  });

  it("the drop-in of the guest's unit", async () => {
    await expect(dropIn).toMatchFileSnapshot(`${name}/drop-in.conf`);
  });
});

const served = all.filter(({ plan }) => helperShares(plan.shares).length > 0);

describe.each(served)('helpers of shares: $name', ({ name, plan, shareFiles }) => {
  const script = shareFiles.find(({ path }) => path.endsWith('/shares'))?.content ?? '';

  it('the script that starts them', async () => {
    await expect(script).toMatchFileSnapshot(`${name}/shares.sh`);
    for (const shell of ['dash', 'bash']) {
      const checked = spawnSync(shell, ['-n'], { input: script });
      expect([shell, checked.status, checked.stderr.toString()]).toEqual([shell, 0, '']);
    }
  });

  it('their units', async () => {
    const units = shareFiles.filter(({ path }) => path.startsWith('/etc/'));
    const text = units.map(({ path, content }) => `### ${path}\n${content}`).join('\n');
    await expect(text).toMatchFileSnapshot(`${name}/units.conf`);
  });

  it('the shell finds each directory by its own name', () => {
    const choose = /^choose\(\) \{\n[\s\S]*?^\}$/m.exec(script)?.[0] ?? '';
    const show = `${choose}\nchoose "$1"; printf '%s|%s' "$source" "$helper"`;
    for (const { tag, source, driver } of helperShares(plan.shares)) {
      const told = spawnSync('dash', ['-euc', show, 'sh', tag]);
      expect([told.stdout.toString(), told.stderr.toString()]).toEqual([`${source}|${driver.helper}`, '']);
    }
  });
});

it('QEMU serves what has no helper: nothing is started for it', () => {
  const without = all.filter(({ name }) => name.startsWith('local'));
  expect(without.map(({ shareFiles }) => shareFiles)).toEqual([[]]);
});
