import { describe, expect, it } from 'vitest';
import type { IsolationChange, IsolationLine } from '../../provider/model/change.ts';
import { qemuCautions } from '../../provider/resources/guest/cautions.ts';
import { type GuestShare, plainGuest } from '../../provider/resources/guest/desired.ts';
import { isolationChange, type Standing } from '../../provider/resources/guest/weakening.ts';
import { driversFound, type ShareDrivers } from '../../provider/resources/guest/share-words.ts';
import type { LayerName, SwitchableLayer } from '../../provider/model/evidence.ts';
import { securityBoundaryMachines } from '../../provider/spec/guest.ts';
import { sampleGuest, sampleShare } from '../samples.ts';

const isolated = (off: readonly SwitchableLayer[], hostDevMounts = false) => ({
  isolation: { off, mayBeMissing: [], hostDevMounts },
});

function standing(
  change: Parameters<typeof sampleGuest>[0] = {},
  missing: readonly LayerName[] = ['lsm'],
  drivers: ShareDrivers = new Map(),
): Standing {
  return { definition: sampleGuest(change), missing, drivers };
}

function names(change: IsolationChange | undefined) {
  const what = (lines: readonly IsolationLine[]) => lines.map((line) => line.what);
  return (
    change && {
      losses: what(change.losses),
      gains: what(change.gains),
      regained: what(change.regained),
      dropped: what(change.dropped),
    }
  );
}

const nothing = { losses: [], gains: [], regained: [], dropped: [] };
const full = standing();

describe('a guest that is made', () => {
  it('says nothing with everything on, on a host without a security module', () => {
    expect(isolationChange('full', full)).toBeUndefined();
  });

  it('says nothing of disks, and nothing of limits below those of its size', () => {
    const disk = { name: 'a', path: '/a', format: 'raw', readonly: false, backing: [] } as const;
    expect(isolationChange('full', standing({ disks: [disk], limits: { tasks: 40 } }))).toBeUndefined();
  });

  it('counts no device that it has anyway, and says more of one that is passed through', () => {
    const gainsOf = (accelerator: 'kvm' | 'tcg') =>
      isolationChange(
        'full',
        standing({ accelerator, devices: ['/dev/kvm', '/dev/net/tun', '/dev/null', '/dev/vfio/12'] }),
      )?.gains;
    expect(gainsOf('kvm')?.map(({ what }) => what)).toEqual(['/dev/net/tun', '/dev/vfio/12']);
    expect(gainsOf('tcg')?.map(({ what }) => what)).toEqual(['/dev/kvm', '/dev/net/tun', '/dev/vfio/12']);
    expect(gainsOf('kvm')?.map(({ meaning }) => meaning.includes('memory may be locked'))).toEqual([
      false,
      true,
    ]);
  });

  it('names what it is without and what it may use', () => {
    const weak = standing({
      ...isolated(['net-namespace', 'seccomp'], true),
      devices: ['/dev/vfio/12'],
      sharedMemory: true,
      network: 'user',
      limits: { tasks: 200, memoryOverheadMib: 1000, cpuPercent: 250 },
    });
    expect(names(isolationChange('full', weak))).toEqual({
      ...nothing,
      losses: [
        'network namespace',
        'seccomp filter',
        'mounts of its own below /dev',
        'memory limit of 480 MiB (becomes 1256 MiB)',
        'task limit of 98 (becomes 200)',
      ],
      gains: ['/dev/vfio/12', 'a shared memory file', 'user-mode network'],
    });
  });

  it('says why a layer is missing, and where each line comes from', () => {
    const change = isolationChange(
      'full',
      standing({ ...isolated(['chroot']), devices: ['/dev/x'] }, ['lsm', 'seccomp']),
      (layer) => (layer === 'seccomp' ? 'its QEMU was built without seccomp' : undefined),
    );
    expect(change?.losses).toMatchObject([
      { what: 'chroot', path: ['isolation', 'off'] },
      {
        what: 'seccomp filter',
        path: ['isolation', 'mayBeMissing'],
        reason: 'its QEMU was built without seccomp',
      },
    ]);
    expect(change?.losses[0]).not.toHaveProperty('reason');
    expect(change?.gains).toMatchObject([{ what: '/dev/x', path: ['devices'] }]);
  });
});

describe('a guest that is changed', () => {
  it('says nothing where nothing changes, however weak it is', () => {
    const weak = standing({ ...isolated(['chroot']), devices: ['/dev/x'], limits: { tasks: 900 } });
    expect(isolationChange(weak, weak)).toBeUndefined();
  });

  it('names only what is new, and what comes back', () => {
    const before = standing({
      ...isolated(['chroot', 'seccomp']),
      devices: ['/dev/a'],
      limits: { tasks: 900 },
    });
    const after = standing({ ...isolated(['chroot', 'pid-namespace']), devices: ['/dev/b'] });
    expect(names(isolationChange(before, after))).toEqual({
      losses: ['pid namespace'],
      gains: ['/dev/b'],
      regained: ['seccomp filter', 'task limit of 98 (was 900)'],
      dropped: ['/dev/a'],
    });
    expect(names(isolationChange(after, before))).toEqual({
      losses: ['seccomp filter', 'task limit of 98 (becomes 900)'],
      gains: ['/dev/a'],
      regained: ['pid namespace'],
      dropped: ['/dev/b'],
    });
  });

  it('loses what its host has no longer, and nothing by a switch from missing to off', () => {
    const allowed = { isolation: { off: [], mayBeMissing: ['seccomp' as const], hostDevMounts: false } };
    const had = standing(allowed, ['lsm']);
    const has = standing(allowed, ['lsm', 'seccomp']);
    expect(names(isolationChange(had, has))).toEqual({ ...nothing, losses: ['seccomp filter'] });
    expect(names(isolationChange(has, had))).toEqual({ ...nothing, regained: ['seccomp filter'] });
    expect(isolationChange(has, standing(isolated(['seccomp'])))).toBeUndefined();
    expect(names(isolationChange(standing({}, []), full))).toEqual({
      ...nothing,
      losses: ['security module label'],
    });
  });

  it('weighs limits that were set, not those that follow from its size', () => {
    expect(isolationChange(full, standing({ vcpus: 8, memoryMib: 4096 }))).toBeUndefined();
    const held = standing({ limits: { tasks: 50, ioReadMibPerSecond: 100 } });
    expect(names(isolationChange(held, full))).toEqual({
      ...nothing,
      losses: ['task limit of 50 (becomes 98)', 'disk read limit of 100 MiB per second (becomes none)'],
    });
    expect(isolationChange(full, held)).toBeUndefined();
  });

  it('names a network that reaches the host as such', () => {
    const inside = isolationChange(full, standing({ network: 'user' }));
    const outside = isolationChange(full, standing({ network: 'user', ...isolated(['net-namespace']) }));
    expect(inside?.gains[0]?.meaning).not.toContain('whatever the host reaches');
    expect(outside?.gains[0]?.meaning).toContain('whatever the host reaches');
  });
});

describe('the shares of a guest', () => {
  const sharing = (shares: readonly GuestShare[], drivers: ShareDrivers = new Map()) =>
    standing({ shares }, ['lsm'], drivers);
  const data = sampleShare();
  const gains = (after: Standing) => isolationChange('full', after)?.gains ?? [];

  it('are gains: what it reads, what it writes to, and by whom', () => {
    const both = [data, sampleShare({ tag: 'w', source: '/srv/w', readonly: false, driver: 'proxy' })];
    expect(gains(sharing(both)).map(({ what }) => what)).toEqual([
      'share data: /srv/data, read-only',
      'share w: /srv/w, written to, by proxy',
    ]);
    expect(gains(sharing(both))[1]?.meaning).toMatch(/removes whatever .* as root in a jail/);
  });

  it('have what is served by virtiofs read the memory too, chosen or asked for', () => {
    const names = (one: Standing) => gains(one).map(({ what, path }) => [what, path.join('.')]);
    const expected = [
      ['share data: /srv/data, read-only, by virtiofs', 'shares'],
      ['a shared memory file', 'shares'],
    ];
    expect(names(sharing([data], new Map([['data', 'virtiofs']])))).toEqual(expected);
    expect(names(sharing([{ ...data, driver: 'virtiofs' }]))).toEqual(expected);
  });

  it('are held open by QEMU itself where that serves them', () => {
    const [line] = gains(sharing([data], new Map([['data', 'local']])));
    expect(line?.meaning).toContain('its empty root is not all it can reach');
  });

  it('change with who serves them', () => {
    const before = sharing([data], new Map([['data', 'proxy']]));
    const after = sharing([data], new Map([['data', 'local']]));
    expect(isolationChange(before, before)).toBeUndefined();
    expect(names(isolationChange(before, after))).toEqual({
      ...nothing,
      gains: ['share data: /srv/data, read-only, by local'],
      dropped: ['share data: /srv/data, read-only, by proxy'],
    });
  });

  it('of a guest that is there are served by whom its units name', () => {
    const place = '/etc/systemd/system/stockade-share-web1:';
    const found = (shares: readonly GuestShare[], ...units: readonly string[]) => [
      ...driversFound({
        name: 'web1',
        stored: sampleGuest({ shares }),
        shareFiles: new Map(units.map((unit) => [`${place}${unit}`, undefined])),
      }),
    ];
    expect(found([data], 'data.socket', 'data.service')).toEqual([['data', 'virtiofs']]);
    expect(found([data], 'data.socket', 'data@.service')).toEqual([['data', 'proxy']]);
    expect(found([data], 'other.service')).toEqual([['data', 'local']]);
    expect(found([{ ...data, driver: 'proxy' }])).toEqual([['data', 'proxy']]);
  });
});

describe("QEMU's own words", () => {
  const safe = { host: 'hv1', name: 'db1', accelerator: 'kvm', machine: 'q35', network: 'none' } as const;

  it('are silent on what it supports', () => {
    expect(qemuCautions(safe, new Map([['data', 'virtiofs']]))).toEqual([]);
    for (const machine of ['q35', 'pc', 'microvm'] as const) {
      expect(securityBoundaryMachines).toContain(machine);
      expect(qemuCautions({ ...safe, machine })).toEqual([]);
    }
  });

  it.each([
    [{ accelerator: 'tcg' }, 'tcg-no-guarantee', 'must not rely on QEMU to provide guest isolation'],
    [{ machine: 'isapc' }, 'machine-no-boundary', 'should not be considered to be providing guest isolation'],
    [{ network: 'user' }, 'user-network', 'not executed in QEMU context'],
  ] as const)('warn of %j', (change, code, words) => {
    expect(qemuCautions({ ...safe, ...change })).toMatchObject([
      { severity: 'warning', code, host: 'hv1', detail: expect.stringContaining(words) as string },
    ]);
  });
});

it('QEMU says against the proxy that it is deprecated, of all its shares at once', () => {
  const safe = { host: 'hv1', name: 'db1', accelerator: 'kvm', machine: 'q35', network: 'none' } as const;
  const drivers = new Map([
    ['a', 'proxy'],
    ['b', 'local'],
    ['c', 'proxy'],
  ] as const);
  expect(qemuCautions(safe, drivers)).toMatchObject([
    {
      severity: 'warning',
      code: 'proxy-deprecated',
      summary: 'guest db1 on hv1: QEMU has deprecated the driver proxy of shares a, c',
      detail: expect.stringContaining('has been deprecated and will be removed') as string,
    },
  ]);
});

it('what no definition says anything of has nothing of it', () => {
  expect(isolationChange('full', standing(plainGuest))).toBeUndefined();
});
