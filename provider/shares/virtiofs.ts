import type { HelperShare, LaunchShareDriver, ShareIdRange } from '../jail/launch-share.ts';
import { exportPlace } from '../jail/share-places.ts';
import { words, type ShellText } from '../model/shell.ts';

type Virtiofs = Extract<LaunchShareDriver, { readonly kind: 'virtiofs' }>;

/**
 * virtiofsd on the socket on which systemd listens (descriptor 3), with its own list of system calls. The Rust one makes mount, pid
 * and network namespaces of its own once more, with the export as their root.
 */
export function virtiofsCommand(driver: Virtiofs): ShellText {
  const options = driver.implementation === 'c' ? cOptions(driver) : rustOptions(driver);
  return words([driver.helper, '--fd=3', ...options]);
}

function cOptions({ cache, announceSubmounts }: Virtiofs): readonly string[] {
  const settings = [
    `source=${exportPlace}`,
    // its threads that take no part in this keep whatever it was started with (RCU of QEMU's library): no sys_admin for namespaces of its
    // own, it is in those of its unit, whose root holds the export and programs alone
    'sandbox=chroot',
    // QEMU 7.2 calls `never` so
    `cache=${cache === 'never' ? 'none' : cache}`,
    'xattr',
    ...(announceSubmounts ? ['announce_submounts'] : []),
  ];
  // no pool of threads: GLib's asks for processors (sched_getaffinity), which virtiofsd's own filter ends it for (QEMU 7.2)
  return ['-f', '--thread-pool-size=0', ...settings.flatMap((setting) => ['-o', setting])];
}

function rustOptions({ cache, announceSubmounts, uidMap, gidMap }: Virtiofs): readonly string[] {
  return [
    `--shared-dir=${exportPlace}`,
    '--sandbox=namespace',
    '--seccomp=kill',
    `--cache=${cache}`,
    '--xattr',
    announceSubmounts ? '--announce-submounts' : '--no-announce-submounts',
    // no more descriptors than the limit it is started with
    '--rlimit-nofile=0',
    ...translation('--translate-uid', uidMap),
    ...translation('--translate-gid', gidMap),
  ];
}

/**
 * What is mapped to nowhere is refused to the guest: the gaps between the ranges, and all above the last. Files of other users of the
 * host are shown as nobody's. Without both virtiofsd lets ids through as
 * they are (its --help on --translate-uid).
 */
function translation(option: string, ranges: readonly ShareIdRange[]): readonly string[] {
  if (ranges.length === 0) return [];
  const [unmapped, others] = [gaps(ranges, 'guest'), gaps(ranges, 'host')];
  const taken = !unmapped.some(({ first, count }) => first <= nobody && nobody < first + count);
  const shownAs = taken ? (unmapped[0]?.first ?? nobody) : nobody;
  return [
    ...ranges.map(({ guest, host, count }) => `${option}=map:${guest}:${host}:${count}`),
    ...unmapped.map(({ first, count }) => `${option}=forbid-guest:${first}:${count}`),
    ...others.map(({ first, count }) => `${option}=squash-host:${first}:${shownAs}:${count}`),
  ];
}

const highestId = 4_294_967_294;
/** Linux's overflowuid and overflowgid. */
const nobody = 65_534;

interface Gap {
  readonly first: number;
  readonly count: number;
}

function gaps(ranges: readonly ShareIdRange[], side: 'guest' | 'host'): readonly Gap[] {
  const found: Gap[] = [];
  let next = 0;
  for (const range of [...ranges].sort((one, other) => one[side] - other[side])) {
    if (range[side] > next) found.push({ first: next, count: range[side] - next });
    next = range[side] + range.count;
  }
  if (next <= highestId) found.push({ first: next, count: highestId - next + 1 });
  return found;
}

export function isVirtiofs(share: HelperShare): share is HelperShare & { readonly driver: Virtiofs } {
  return share.driver.kind === 'virtiofs';
}
