import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { cached, type Progress } from '../cache.ts';
import { leashed, run } from '../process.ts';
import { waitForSsh } from '../ready.ts';
import { recipeDigest, vmRecipe } from '../recipe.ts';
import { build, hostRoot } from '../root.ts';
import { makeKey, writeSeed } from '../seed.ts';
import { endMachineAfter, endOf, freePort, patience, startMachine } from './machine.ts';
import { sshArguments, writeKnownHosts } from './ssh.ts';

/** Name of the state that is saved once the machine is up. */
export const bootedState = 'booted';

export interface VmImage {
  /** Holds disk.img, vmlinuz, initrd, overlay.qcow2 (with the saved state), key, host-keys. */
  readonly directory: string;
  /** Root file system that has QEMU. */
  readonly qemuRoot: string;
}

/** Everything a VM host starts from: built once (some minutes), then taken from the cache. */
export async function vmImage(progress: Progress): Promise<VmImage> {
  const qemuRoot = await hostRoot(progress);
  const directory = await cached('vm', recipeDigest(vmRecipe), async (unfinished) => {
    progress('building the full virtual machine host (Debian with a kernel of its own), once');
    await makeDisk(unfinished);
    await boot(unfinished, qemuRoot, progress);
  });
  return { directory, qemuRoot };
}

async function makeDisk(directory: string): Promise<void> {
  const root = join(directory, 'root');
  await build(root, vmRecipe);
  put(root, 'etc/initramfs-tools/conf.d/lab', 'MODULES=list\nCOMPRESS=zstd\n');
  put(root, 'etc/initramfs-tools/modules', `${vmRecipe.bootModules.join('\n')}\n`);
  await run(...leashed(['chroot', root, 'update-initramfs', '-u', '-k', 'all']));
  copyFileSync(join(root, 'boot', named(root, 'vmlinuz-')), join(directory, 'vmlinuz'));
  copyFileSync(join(root, 'boot', named(root, 'initrd.img-')), join(directory, 'initrd'));
  const key = join(directory, 'key');
  await makeKey(key, 'ed25519', 'stockade-vm');
  const userPublicKey = readFileSync(`${key}.pub`, 'utf8');
  const publicKeys = await writeSeed({ seed: root, root, hostName: 'vm1', userPublicKey });
  writeFileSync(join(directory, 'host-keys'), publicKeys.map((one) => `${one}\n`).join(''));
  put(root, 'etc/machine-id', `${randomBytes(16).toString('hex')}\n`);
  put(root, 'etc/fstab', '/dev/vda / ext4 rw 0 1\n');
  put(root, 'etc/systemd/network/10-eth0.network', network);
  const wants = join(root, 'etc/systemd/system/multi-user.target.wants');
  mkdirSync(wants, { recursive: true });
  symlinkSync('/lib/systemd/system/systemd-networkd.service', join(wants, 'systemd-networkd.service'));
  const disk = join(directory, 'disk.img');
  await run('mke2fs', [
    '-q',
    '-F',
    '-t',
    'ext4',
    '-O',
    '^has_journal',
    '-L',
    'root',
    '-d',
    root,
    disk,
    `${vmRecipe.diskMib}M`,
  ]);
  rmSync(root, { recursive: true });
}

/** Starts it, waits until it is up, and saves that state: later starts take seconds. */
async function boot(directory: string, qemuRoot: string, progress: Progress): Promise<void> {
  progress('starting it for the first time');
  const overlay = ['create', '-q', '-f', 'qcow2', '-F', 'raw', '-b', '/mnt/disk.img', '/srv/overlay.qcow2'];
  const work = join(directory, 'work');
  mkdirSync(work);
  await run(
    ...leashed([
      'sh',
      '-ec',
      'mount --bind "$1" "$3/mnt"; mount --bind "$2" "$3/srv"; root=$3; shift 3; exec chroot "$root" qemu-img "$@"',
      'sh',
      directory,
      work,
      qemuRoot,
      ...overlay,
    ]),
  );
  const port = await freePort();
  const child = startMachine({ root: qemuRoot, directory: work, image: directory, port });
  const ended = endOf(child, work);
  try {
    await Promise.race([up(directory, work, port), ended]);
    await endMachineAfter(child, work, ['stop', `savevm ${bootedState}`]);
  } finally {
    child.kill('SIGKILL');
  }
  renameSync(join(work, 'overlay.qcow2'), join(directory, 'overlay.qcow2'));
  rmSync(work, { recursive: true });
}

async function up(directory: string, work: string, port: number): Promise<void> {
  await waitForSsh('127.0.0.1', port, patience);
  const hostKeys = readFileSync(join(directory, 'host-keys'), 'utf8').trim().split('\n');
  const knownHosts = writeKnownHosts(work, port, hostKeys);
  const options = sshArguments({ keyFile: join(directory, 'key'), knownHosts, port });
  const state = await run('ssh', [
    ...options,
    'systemctl is-system-running --wait; systemctl --failed --no-legend; sync',
  ]);
  if (!state.startsWith('running')) throw new Error(`the emulated machine is ${state}`);
}

function named(root: string, prefix: string): string {
  const found = readdirSync(join(root, 'boot')).find((name) => name.startsWith(prefix));
  if (found === undefined) throw new Error(`the root file system has no /boot/${prefix}*`);
  return found;
}

function put(root: string, path: string, content: string): void {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
  chmodSync(file, 0o644);
}

const network = `[Match]
Name=eth0

[Network]
Address=10.0.2.15/24
`;
