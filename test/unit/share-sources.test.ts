import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readableMounts } from '../../provider/jail/mountinfo.ts';
import type { LaunchShare } from '../../provider/jail/launch-share.ts';
import type { GuestShare } from '../../provider/resources/guest/desired.ts';
import {
  shareSourceCautions,
  shareSourceObstacles,
} from '../../provider/resources/guest/share-source-checks.ts';
import {
  isLookedAt,
  lineage,
  type ShareSourceFacts,
  shareSourcesSection,
} from '../../provider/resources/guest/share-sources.ts';
import { LocalFiles } from '../../provider/executor/local-files.ts';
import { mountOf, parseShareSources } from '../../provider/resources/guest/share-sources-parse.ts';
import { plainPath } from '../../provider/spec/plain-path.ts';
import { guestKind } from '../../provider/terraform/kinds/guest.ts';
import { UNKNOWN } from '../../provider/tfplugin/types.ts';
import { sampleGuest } from '../samples.ts';

/** Mounts as mount(8) would make them in this order; everything is on the root's unless said otherwise. */
const table = String.raw`1 0 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
2 1 0:5 / /dev rw,nosuid shared:2 - devtmpfs udev rw
3 1 0:20 / /proc rw,nosuid,nodev,noexec - proc proc rw
4 1 8:2 / /srv/data rw,nosuid,nodev,relatime shared:3 master:1 - xfs /dev/sdb1 rw
5 4 0:40 / /srv/data/remote rw,nosuid,nodev - nfs4 nas:/export rw,vers=4.2
6 1 0:41 / /mnt/a\040b\134c rw,nosuid,nodev - cifs //nas/share rw
7 1 0:42 / /mnt/ssh rw,nosuid,nodev - fuse.sshfs me@nas: rw
8 1 0:43 / /mnt/ntfs rw,nosuid,nodev - fuseblk /dev/sdc1 rw
9 1 0:44 / /mnt/half rw,nosuid - tmpfs half rw
10 1 0:45 / /over/deep rw - tmpfs below rw
11 1 0:46 / /over rw,nosuid,nodev - tmpfs over rw
12 1 0:47 / /twice rw - tmpfs first rw
13 12 0:48 / /twice rw - ceph mon:/ rw
14 1 0:20 / /srv/kernel rw - proc none rw
15 1 8:1 /srv/safe /srv/safe rw,nosuid,nodev - ext4 /dev/sda1 rw
16 1 8:3 /@srv /srv/disk rw,nosuid,nodev - btrfs /dev/sdd rw
17 1 8:3 /@srv/x /mnt/seen rw - btrfs /dev/sdd rw
18 1 8:3 / /mnt/closed rw,nodev,nosuid - btrfs /dev/sdd rw
19 1 8:3 /@home /mnt/home rw - btrfs /dev/sdd rw`;

describe('the mount of a path', () => {
  it.each([
    ['/', '/', 'ext4'],
    ['/srv', '/', 'ext4'],
    ['/srv/data', '/srv/data', 'xfs'],
    ['/srv/database', '/', 'ext4'],
    ['/srv/data/remote/x', '/srv/data/remote', 'nfs4'],
    ['/mnt/a b\\c/d', '/mnt/a b\\c', 'cifs'],
    ['/mnt/a', '/', 'ext4'],
    // the later mount hides what was mounted below it
    ['/over/deep/x', '/over', 'tmpfs'],
    ['/twice/x', '/twice', 'ceph'],
  ])('%s is on %s, %s', (path, point, type) => {
    expect(mountOf(path, readableMounts(table))).toMatchObject({ mountPoint: point, fileSystem: type });
  });

  it('is not known without a table, and found in a table that goes in circles', () => {
    expect(mountOf('/srv', [])).toBeUndefined();
    const circle = '1 2 0:1 / / rw - a b c\n2 1 0:1 / / rw - a b c';
    expect(mountOf('/srv', readableMounts(circle))).toBeUndefined();
    expect(mountOf('/srv', readableMounts('1 1 0:1 / / rw - rootfs none rw'))).toMatchObject({ id: 1 });
  });
});

describe('paths', () => {
  it.each([
    ['/', '/', ['/']],
    ['//srv/./x/', '/srv/x', ['/', '/srv', '/srv/x']],
    ['/a b/c', '/a b/c', ['/', '/a b', '/a b/c']],
  ])('%s is %s', (path, plain, way) => {
    expect([plainPath(path), lineage(path)]).toEqual([plain, way]);
  });

  it('are looked at unless relative, upward or endless', () => {
    expect(['/srv', 'srv', '/srv/../x', '/a'.repeat(64), '/a'.repeat(65)].map(isLookedAt)).toEqual([
      ...[true, false, false, true, false],
    ]);
  });
});

/** A source as the section would show it where all directories are root's and open, but for what is said. */
function facts(path: string, change: Partial<Record<string, number>> = {}): ShareSourceFacts {
  const stats = lineage(path).map((part) => `${(change[part] ?? 0o40755).toString(16)} 0 ${part}`);
  const bytes = Buffer.from(
    ['stats', ...stats, '', 'ended 0', 'entered', path, path, '', 'ended 0', 'mounts', table, 'end', ''].join(
      '\0',
    ),
  );
  const found = parseShareSources(bytes, [path]).get(path);
  if (found === undefined) throw new Error(`nothing of ${path}`);
  return found;
}

const share = (source: string, change: Partial<GuestShare> = {}): GuestShare => ({
  ...{ tag: 't', source, readonly: false, driver: 'auto', writers: 'one', maxFileMib: 1 },
  ...change,
});

function codes(
  asked: GuestShare,
  known: ShareSourceFacts | undefined,
  kind: 'proxy' | 'virtiofs' | 'local' | 'local-none' | 'none' = 'proxy',
): readonly string[] {
  const { tag, source, readonly, maxFileMib } = asked;
  const base = { tag, source, readonly, maxFileMib, onlyWriter: false };
  const drivers: Record<typeof kind, LaunchShare['driver'] | undefined> = {
    proxy: { kind: 'proxy', helper: '/h' },
    virtiofs: {
      ...{ kind: 'virtiofs', helper: '/h', implementation: 'c', cache: 'auto', announceSubmounts: false },
      ...{ uidMap: [], gidMap: [] },
    },
    local: { kind: 'local', securityModel: 'mapped-file' },
    'local-none': { kind: 'local', securityModel: 'none' },
    none: undefined,
  };
  const driver = drivers[kind];
  return shareSourceObstacles(
    sampleGuest({ shares: [asked] }),
    new Map(known === undefined ? [] : [[plainPath(source), known]]),
    driver === undefined ? [] : [{ ...base, driver }],
  ).map(({ code }) => code);
}

describe('places that are never shared', () => {
  it.each([
    ...['/', '/proc', '/proc/1', '/sys/fs', '/dev/shm', '/run', '/run/stockade/x', '/var', '/var/lib'],
    ...['/var/lib/stockade', '/var/lib/stockade/guests', '//', '/./run/'],
  ])('%s, without a look', (source) => {
    expect(codes(share(source), undefined)).toEqual(['share-source-place']);
  });

  it.each(['/run/stockades', '/var/lib/stock', '/srv', '/process'])('%s is none of them', (source) => {
    expect(codes(share(source), undefined)).toEqual([]);
  });

  it("the kernel's own file systems, wherever they are", () => {
    expect(codes(share('/srv/kernel/1'), facts('/srv/kernel/1'))).toEqual(['share-source-place']);
  });
});

describe('network file systems', () => {
  it.each(['/srv/data/remote/x', '/mnt/a b\\c', '/mnt/ssh/x', '/twice'])('%s', (source) => {
    expect(codes(share(source, { readonly: true }), facts(source), 'local')).toEqual([
      'share-source-network',
    ]);
  });

  it('are known by the table alone, where the server is gone', () => {
    const cut = Buffer.from(
      ['stats', '', 'ended 137', 'entered', '', 'ended 137', 'mounts', table, 'end', ''].join('\0'),
    );
    const [source, fine] = ['/srv/data/remote/x', '/srv/x'];
    const seen = parseShareSources(cut, [source, fine]);
    expect(codes(share(source), seen.get(source))).toEqual(['share-source-network']);
    expect(codes(share(fine), seen.get(fine))).toEqual([]);
  });

  it('a disk behind FUSE is none', () => {
    expect(codes(share('/mnt/ntfs/x'), facts('/mnt/ntfs/x'))).toEqual([]);
  });
});

describe('what root writes for a guest is out of the reach of users', () => {
  const open = facts('/srv/x');
  it.each([
    ['proxy', ['share-source-exposed']],
    ['virtiofs', ['share-source-exposed']],
    ['local', []],
    ['local-none', ['share-source-exposed']],
    ['none', []],
  ] as const)('with %s', (kind, expected) => {
    expect(codes(share('/srv/x'), open, kind)).toEqual(expected);
    expect(codes(share('/srv/x', { readonly: true }), open, kind)).toEqual([]);
  });

  it.each([
    ['a mount with nosuid and nodev', facts('/srv/data/x'), []],
    ['a mount with nosuid alone', facts('/mnt/half/x'), ['share-source-exposed']],
    ["root's alone itself", facts('/srv/x', { '/srv/x': 0o40700 }), ['share-source-exposed']],
    ["below a directory of root's alone", facts('/srv/x/y', { '/srv/x': 0o40700 }), []],
    ['below one that a group may enter', facts('/srv/x', { '/srv': 0o40710 }), ['share-source-exposed']],
    ['the root directory does not count', facts('/srv/x', { '/': 0o40700 }), ['share-source-exposed']],
    ['not known on which mount', { ...open, mount: undefined }, []],
    ['not known whose', { ...open, parts: undefined }, []],
  ] as const)('%s', (_name, known, expected) => {
    const source = known.parts?.at(-1)?.path ?? '/srv/x';
    expect(codes(share(source), known)).toEqual(expected);
  });

  /** What is said of `/srv/disk/x/y`, or of another, where it is written to by a helper. */
  const seen = (source: string, change: Partial<Record<string, number>> = {}, readonly = false) => {
    const asked = share(source, { readonly });
    const served = [{ ...asked, onlyWriter: true, driver: { kind: 'proxy', helper: '/h' } as const }];
    return shareSourceCautions(
      sampleGuest({ shares: [asked] }),
      new Map([[source, facts(source, change)]]),
      served,
    ).map(({ code, severity, summary }) => [code, severity, / at (\S+) too/.exec(summary)?.[1]]);
  };
  it('also by the other mounts of its file system', () => {
    expect(seen('/srv/disk/x/y')).toEqual([['share-source-elsewhere', 'warning', '/mnt/seen/y']]);
    expect(seen('/srv/disk/x')).toEqual([['share-source-elsewhere', 'warning', '/mnt/seen']]);
    // closed by a directory that both ways go through, or by one of its own way alone
    expect(seen('/srv/disk/x/y/z', { '/srv/disk/x/y': 0o40700 })).toEqual([]);
    expect(seen('/srv/disk/x/y', { '/srv/disk/x': 0o40700 })).toEqual([]);
    expect(seen('/srv/disk/x/y', { '/srv/disk': 0o40700 })).toHaveLength(1);
    expect(seen('/srv/disk/x/y', {}, true)).toEqual([]);
  });
  it.each([
    ['mapped-file', []],
    [
      'none',
      [
        expect.stringContaining(
          "/srv/disk/x is written to by the guest's user, and is seen at /mnt/seen",
        ) as string,
      ],
    ],
  ] as const)('by QEMU itself with %s', (securityModel, expected) => {
    const asked = share('/srv/disk/x');
    const served = [{ ...asked, onlyWriter: true, driver: { kind: 'local', securityModel } as const }];
    const said = shareSourceCautions(
      sampleGuest({ shares: [asked] }),
      new Map([['/srv/disk/x', facts('/srv/disk/x')]]),
      served,
    );
    expect(said.map(({ summary }) => summary)).toEqual(expected);
  });
  it('where that is seen: not below another directory, nor behind its own mount', () => {
    expect(seen('/srv/disk/z')).toEqual([]);
    expect(seen('/srv/safe/x')).toEqual([]);
  });

  it('says both remedies and the reason', () => {
    const [obstacle] = shareSourceObstacles(
      sampleGuest({ shares: [share('/srv/x')] }),
      new Map([['/srv/x', open]]),
      [{ ...share('/srv/x'), onlyWriter: true, driver: { kind: 'proxy', helper: '/h' } }],
    );
    expect(obstacle).toMatchObject({
      host: 'hv1',
      resource: 'guest web1 on hv1',
      path: ['shares', 0, 'source'],
      summary:
        'guest web1 on hv1: /srv/x is written to by root for the guest, and users of the host can get at it',
    });
    expect(obstacle?.hint).toMatch(/nosuid and nodev.*chmod|mkdir -m 0700/);
    expect(obstacle?.detail).toContain('ext4 on /) is without nosuid and nodev');
  });
});

it('a resource names the directories of its shares as far as they are known', () => {
  const { sources } = guestKind(new LocalFiles());
  const shares = [{ source: '/srv/x' }, { source: UNKNOWN }, { source: '/srv/y' }];
  expect(sources?.({ shares })).toEqual(['/srv/x', '/srv/y']);
  expect([sources?.({ shares: UNKNOWN }), sources?.({ shares: null })]).toEqual([[], []]);
});

it('another spelling of the path is told', () => {
  expect(codes(share('/srv/data//x/'), facts('/srv/data/x'))).toEqual(['share-source-spelling']);
  expect(codes(share('/srv/data//x/'), undefined)).toEqual(['share-source-spelling']);
});

/** The section's own text, run by real shells on a directory made for the test. */
describe.each(['dash', 'bash'])('the section, run by %s', (shell) => {
  let base: string;
  beforeEach(() => {
    base = realpathSync(mkdtempSync(join(tmpdir(), 'stockade-sources-')));
  });
  afterEach(() => rmSync(base, { recursive: true, force: true }));

  function look(...paths: readonly string[]) {
    const { body, arguments: asked } = shareSourcesSection(paths);
    const { status, stdout, stderr } = spawnSync(shell, [
      // what it takes for a login over the network makes it read its start-up file
      ...(shell === 'bash' ? ['--norc'] : []),
      '-u',
      '-c',
      body.text,
      'sh',
      ...asked,
    ]);
    expect([status, stderr.toString()]).toEqual([0, '']);
    return parseShareSources(stdout, paths);
  }

  it('tells what there is, by names of any kind', () => {
    const odd = join(base, "-o'dd\n$(id)\\0 é");
    mkdirSync(odd);
    chmodSync(odd, 0o1750);
    writeFileSync(join(odd, 'file'), '');
    symlinkSync(odd, join(base, 'link'));
    symlinkSync('nowhere', join(base, 'dangling'));
    const paths = [
      odd,
      join(odd, 'file'),
      join(base, 'link', 'gone'),
      join(base, 'link'),
      join(base, 'dangling'),
    ];
    const seen = look(...paths);
    const shown = paths.map((path) => {
      const last = seen.get(path)?.parts?.at(-1);
      return [last?.path, last?.type, seen.get(path)?.resolved];
    });
    expect(shown).toEqual([
      [odd, 'directory', odd],
      [join(odd, 'file'), 'other', undefined],
      [join(base, 'link'), 'link', undefined],
      [join(base, 'link'), 'link', odd],
      [join(base, 'dangling'), 'link', undefined],
    ]);
    expect(seen.get(odd)?.parts?.at(-1)).toMatchObject({ mode: 0o1750, uid: process.getuid?.() });
    expect(paths.map((path) => codes(share(path, { readonly: true }), seen.get(path))[0])).toEqual([
      undefined,
      'share-source-not-directory',
      ...['share-source-link', 'share-source-link', 'share-source-link'],
    ]);
  });

  it('knows the mount as the system does', () => {
    for (const path of ['/', '/proc', '/dev', base]) {
      const said = spawnSync('findmnt', [
        '--noheadings',
        '--first-only',
        '--output',
        'TARGET,FSTYPE',
        '--target',
        path,
      ]);
      const [target, type] = said.stdout.toString().trim().split(/\s+/);
      expect(look(path).get(path)?.mount).toMatchObject({ point: target, type });
    }
  });

  it('looks at nothing where nothing is asked, and knows nothing where too much is', () => {
    expect(look()).toEqual(new Map());
    const many = Array.from({ length: 40 }, (_one, index) => `/${'x'.repeat(100_000)}${index}`);
    const asked = many.map((path) => `'${path}'`).join(' ');
    const script = `set -- ${asked}\n${shareSourcesSection([]).body.text}`;
    const { stdout, status } = spawnSync(shell, ['-u'], { input: script, maxBuffer: 1 << 26 });
    expect(status).toBe(0);
    expect([...parseShareSources(stdout, many).values()].every(({ parts }) => parts === undefined)).toBe(
      true,
    );
  }, 60_000);
});
