import { spawnSync } from 'node:child_process';

/** What the test hosts need on the machine itself. */
export const neededPackages = [
  'busybox-static',
  'ca-certificates',
  'debian-archive-keyring',
  'debootstrap',
  'e2fsprogs',
  'gpgv',
  'iproute2',
  'openssh-client',
  'sudo',
  'systemd-container',
  'tar',
  'util-linux',
  'wget',
  'xz-utils',
];

/** @returns {string[]} */
export function missingPackages() {
  const result = spawnSync(
    'dpkg-query',
    ['--show', '--showformat=${Package} ${db:Status-Status}\n', ...neededPackages],
    {
      encoding: 'utf8',
    },
  );
  const installed = new Set(
    (result.stdout ?? '')
      .split('\n')
      .flatMap((line) => (line.endsWith(' installed') ? [line.split(' ')[0]] : [])),
  );
  return neededPackages.filter((name) => !installed.has(name));
}

/** @param {readonly string[]} packages */
export function installPackages(packages) {
  apt(['update']);
  apt(['install', '--yes', '--no-install-recommends', ...packages]);
}

/** @param {string[]} args */
function apt(args) {
  const result = spawnSync('apt-get', ['-q', ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 64 * 1024 * 1024,
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
  if (result.status === 0) return;
  const said = `${result.stdout ?? ''}${result.stderr ?? ''}`.trim().split('\n').slice(-10).join('\n');
  throw new Error(`apt-get ${args[0]} failed; what it said last:\n${said}`);
}
