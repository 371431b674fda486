import { type ChildProcess, spawn } from 'node:child_process';
import { openSync, closeSync, readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { lines, sh, word, words } from '../../../provider/model/shell.ts';
import { lastLines } from '../process.ts';
import type { Patience } from '../ready.ts';
import type { MachineKind } from './kind.ts';

/** An emulated machine: QEMU out of a test host's root file system, so that this machine needs none. */
export interface MachineOptions {
  readonly kind: MachineKind;
  /** Root file system that has QEMU. */
  readonly root: string;
  /** Holds `overlay.qcow2`; `console.log` and `monitor` appear here. */
  readonly directory: string;
  /** Holds `disk.img`, and what the kind starts from. */
  readonly image: string;
  /** Of 127.0.0.1: leads to the machine's sshd. */
  readonly port: number;
  /** The saved state to go on from. @default boots */
  readonly state?: string;
}

/** So long an emulated machine may take to answer where this one is busy with others. */
export const patience: Patience = { seconds: 1500, answerSeconds: 60 };

/** Where image and directory are seen by QEMU. */
const image = '/mnt';
const directory = '/srv';

/** Starts the machine; it dies with this process, however that ends. */
export function startMachine(options: MachineOptions): ChildProcess {
  const { root } = options;
  const mounts = [
    [options.image, `${root}${image}`],
    [options.directory, `${root}${directory}`],
    ['/dev', `${root}/dev`],
  ] as const;
  const script = sh`set -e
${lines(mounts.map(([from, to]) => sh`mount --bind ${word(from)} ${word(to)}`))}
exec chroot ${word(root)} ${words(qemuCommand(options))}`;
  const log = openSync(join(options.directory, 'qemu.log'), 'a');
  const leash = [
    '--pdeathsig',
    'KILL',
    'unshare',
    '--mount',
    '--propagation',
    'private',
    '--pid',
    '--fork',
    '--kill-child',
  ];
  const child = spawn('setpriv', [...leash, '--', 'sh', '-c', script.text], { stdio: ['ignore', log, log] });
  closeSync(log);
  return child;
}

function qemuCommand({ kind, port, state }: MachineOptions): readonly string[] {
  const overlay = {
    driver: 'qcow2',
    'node-name': 'root',
    file: { driver: 'file', filename: `${directory}/overlay.qcow2` },
  };
  return [
    ...['qemu-system-x86_64', '-accel', `tcg,thread=multi,tb-size=${kind.translationCacheMib}`],
    ...['-M', 'q35', '-cpu', kind.cpu, '-smp', String(kind.processors), '-m', `${kind.recipe.memoryMib}M`],
    ...['-nodefaults', '-vga', 'none', '-display', 'none', '-no-reboot'],
    ...kind.bootOptions(image),
    ...['-blockdev', JSON.stringify({ ...overlay, cache: { 'no-flush': true } })],
    ...['-device', 'virtio-blk-pci,drive=root', '-device', 'virtio-rng-pci'],
    ...['-nic', `user,model=virtio-net-pci,restrict=on,hostfwd=tcp:127.0.0.1:${port}-:22`],
    ...['-serial', `file:${directory}/console.log`, '-monitor', `unix:${directory}/monitor,server,nowait`],
    ...(state === undefined ? [] : ['-loadvm', state]),
  ];
}

/** A port of 127.0.0.1 that nobody listens on. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/** Says commands to the machine's monitor, and returns when all are done and QEMU has ended. */
export function endMachineAfter(
  child: ChildProcess,
  runDirectory: string,
  commands: readonly string[],
): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(join(runDirectory, 'monitor'));
    socket.once('error', reject);
    socket.on('data', () => undefined);
    child.once('exit', () => resolve());
    socket.write(`${[...commands, 'quit'].join('\n')}\n`);
  });
}

/** Ends the machine at once, and returns when it is gone. */
export async function endMachine(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}

/** A promise that is broken when the machine ends. */
export function endOf(child: ChildProcess, runDirectory: string): Promise<never> {
  const ended = new Promise<never>((_, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      const said = lastLines(readFileSync(join(runDirectory, 'qemu.log'), 'utf8'), 10);
      reject(new Error(`the emulated machine ended (${signal ?? code}): ${said}`));
    });
  });
  ended.catch(() => undefined);
  return ended;
}
