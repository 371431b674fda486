/** What must be on a host, by Debian's package name (the same on most distributions). */
const programsByPackage = {
  coreutils: [
    'base64',
    'cat',
    'chroot',
    'cp',
    'head',
    'install',
    'mkfifo',
    'mknod',
    'mktemp',
    'readlink',
    'sha256sum',
    'stat',
    'stdbuf',
    'sync',
    'tail',
    'tee',
    'timeout',
    'tr',
    'truncate',
    'wc',
  ],
  diffutils: ['cmp'],
  'util-linux': ['flock', 'mountpoint', 'nsenter', 'pivot_root', 'prlimit', 'setpriv', 'unshare'],
  mount: ['mount', 'umount'],
  passwd: ['vipw'],
  findutils: ['find', 'xargs'],
  grep: ['grep'],
  sed: ['sed'],
  mawk: ['awk'],
  'libc-bin': ['getent'],
  iproute2: ['ip'],
} as const;

export const requiredPrograms: readonly string[] = Object.values(programsByPackage).flat();

/** The packages that bring these programs. */
export function packagesOf(programs: readonly string[]): readonly string[] {
  return Object.entries(programsByPackage)
    .filter(([, names]) => names.some((name) => programs.includes(name)))
    .map(([name]) => name);
}
