import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { sh, word } from '../../../provider/model/shell.ts';
import type { LabHost } from '../lab.ts';
import { type ProxyAttack, proxyAttacks, type ProxyReport, proxyReport } from './proxy-report.ts';

/** Where the programs lie on a test host. */
const programs = '/usr/local/lib/hostile';
const files = [
  'proxy-protocol.pl',
  'proxy-attacks.pl',
  'proxy-attacks-rare.pl',
  'proxy-client.pl',
  'naive-proxy-server.pl',
];

/** Paths on a host; the client, as root, empties the canary's directory again and again. */
export interface ProxyTarget {
  readonly socket: string;
  /** As the host sees it. */
  readonly export: string;
  readonly canary: string;
}

export interface ProxyAttempt {
  readonly only?: readonly ProxyAttack[];
  /** How long each of the two races runs. @default 60 */
  readonly seconds?: number;
  /** A race is over after so many hits. @default never */
  readonly stopAt?: number;
  /** How many malformed messages. @default 200 */
  readonly fuzz?: number;
  /** Which. @default 1 */
  readonly seed?: number;
  /** What the set-user-id file in `hostile-left` holds. @default /bin/true */
  readonly program?: string;
}

export function placeProxyPrograms(host: LabHost): void {
  mkdirSync(host.pathFromHere(programs), { recursive: true });
  for (const name of files) {
    host.copyIn(fileURLToPath(new URL(name, import.meta.url)), `${programs}/${name}`);
  }
}

/** An empty export, and outside of it a directory for the canary. */
export async function makeProxyTarget(host: LabHost, directory: string): Promise<ProxyTarget> {
  await host.run(sh`mkdir -p ${word(`${directory}/export`)} ${word(`${directory}/outside`)}`);
  return {
    socket: `${directory}/socket`,
    export: `${directory}/export`,
    canary: `${directory}/outside/canary`,
  };
}

/** Attacks whoever serves the export at the socket, as root inside the host; throws unless every attack has reported. */
export async function attackProxy(
  host: LabHost,
  target: ProxyTarget,
  attempt: ProxyAttempt = {},
): Promise<ProxyReport> {
  const {
    only = proxyAttacks,
    seconds = 60,
    stopAt = 0,
    fuzz = 200,
    seed = 1,
    program = '/bin/true',
  } = attempt;
  const settings = [
    `socket=${target.socket}`,
    `export=${target.export}`,
    `canary=${target.canary}`,
    'secret=what-no-guest-may-read',
    `seconds=${seconds}`,
    `stop-at=${stopAt}`,
    `fuzz=${fuzz}`,
    `seed=${seed}`,
    `program=${program}`,
    `only=${only.join(',')}`,
  ];
  return proxyReport(await host.run(['perl', `${programs}/proxy-client.pl`, ...settings]), only);
}

/** The control: no chroot; `checking` looks for symlinks and `..` before each use. Returns how to end it. */
export async function startNaiveServer(
  host: LabHost,
  target: ProxyTarget,
  mode: 'plain' | 'checking',
): Promise<() => Promise<void>> {
  const server = `${programs}/naive-proxy-server.pl`;
  return inUnit(host, 'naive-proxy', ['perl', server, target.socket, target.export, mode]);
}

/** QEMU's helper as its manual starts it, for one client after another: it ends with each. Returns how to end it. */
export async function startBareHelper(
  host: LabHost,
  target: ProxyTarget,
  helper = '/usr/lib/qemu/virtfs-proxy-helper',
): Promise<() => Promise<void>> {
  const [socket, directory] = [word(target.socket), word(target.export)];
  const loop = sh`while :; do
  rm -f ${socket}
  ${word(helper)} -n -s ${socket} -p ${directory} -u 0 -g 0 || :
done`;
  return inUnit(host, 'bare-proxy', ['sh', '-c', loop.text]);
}

/**
 * The same for one client, but the export is a mount of its own, and that hangs on nothing once the helper has changed its root:
 * what is then above a directory that it passes is nothing either. Returns how to end it.
 */
export async function startDetachedHelper(
  host: LabHost,
  target: ProxyTarget,
  helper = '/usr/lib/qemu/virtfs-proxy-helper',
): Promise<() => Promise<void>> {
  const [socket, directory] = [word(target.socket), word(target.export)];
  // it changes its root when a client has connected; no request is served before a client sends one
  const steps = sh`rm -f ${socket}
mount --bind ${directory} /mnt
mount -o remount,bind,nosuid,nodev /mnt
${word(helper)} -n -s ${socket} -p /mnt -u 0 -g 0 &
until [ "$(stat -Lc %d:%i /proc/$!/root/.)" = "$(stat -c %d:%i /mnt)" ]; do sleep 0.01; done
umount -l /mnt
wait`;
  const command = ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', steps.text];
  return inUnit(host, 'detached-proxy', command);
}

async function inUnit(host: LabHost, unit: string, command: readonly string[]): Promise<() => Promise<void>> {
  await host.run(['systemd-run', '--quiet', '--collect', `--unit=${unit}`, '--', ...command]);
  return async () => {
    // one that served a single client has ended with it and is unknown by now
    await host.exec(['systemctl', 'stop', unit]);
  };
}
