import { randomBytes } from 'node:crypto';
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { sh } from '../../../provider/model/shell.ts';
import { cached, type Progress } from '../cache.ts';
import { lastLines, leashed, run } from '../process.ts';
import { waitForSsh } from '../ready.ts';
import { recipeDigest } from '../recipe.ts';
import { build, hostRoot, write } from '../root.ts';
import { makeKey, writeSeed } from '../seed.ts';
import type { MachineKind } from './kind.ts';
import { endMachineAfter, endOf, freePort, patience, startMachine } from './machine.ts';
import { sshArguments, writeKnownHosts } from './ssh.ts';

/** Name of the state that is saved once the machine is up. */
export const bootedState = 'booted';

export interface VmImage {
  readonly kind: MachineKind;
  /** Holds disk.img, vmlinuz, initrd, overlay.qcow2 (with the saved state), key, host-keys, and what the kind has besides. */
  readonly directory: string;
  /** Root file system that has QEMU. */
  readonly qemuRoot: string;
}

/** Everything a machine of this kind starts from: built once (some minutes), then taken from the cache. */
export async function vmImage(kind: MachineKind, progress: Progress): Promise<VmImage> {
  const qemuRoot = await hostRoot(progress);
  const directory = await cached(kind.name, recipeDigest(kind.recipe), async (unfinished) => {
    progress(`building the ${kind.title}, once`);
    await makeDisk(kind, unfinished);
    await boot({ kind, directory: unfinished, qemuRoot }, progress);
  });
  return { kind, directory, qemuRoot };
}

async function makeDisk(kind: MachineKind, directory: string): Promise<void> {
  const root = join(directory, 'root');
  await build(root, kind.recipe);
  kind.finish?.(root, directory);
  write(root, 'etc/initramfs-tools/conf.d/lab', 'MODULES=list\nCOMPRESS=zstd\n');
  write(root, 'etc/initramfs-tools/modules', `${kind.recipe.bootModules.join('\n')}\n`);
  await run(...leashed(['chroot', root, 'update-initramfs', '-u', '-k', 'all']));
  copyFileSync(join(root, 'boot', named(root, 'vmlinuz-')), join(directory, 'vmlinuz'));
  copyFileSync(join(root, 'boot', named(root, 'initrd.img-')), join(directory, 'initrd'));
  const key = join(directory, 'key');
  await makeKey(key, 'ed25519', `stockade-${kind.name}`);
  const userPublicKey = readFileSync(`${key}.pub`, 'utf8');
  const publicKeys = await writeSeed({ seed: root, root, hostName: `${kind.name}1`, userPublicKey });
  writeFileSync(join(directory, 'host-keys'), publicKeys.map((one) => `${one}\n`).join(''));
  write(root, 'etc/machine-id', `${randomBytes(16).toString('hex')}\n`);
  write(root, 'etc/fstab', '/dev/vda / ext4 rw 0 1\n');
  write(root, 'etc/systemd/network/10-eth0.network', network);
  const wants = join(root, 'etc/systemd/system/multi-user.target.wants');
  mkdirSync(wants, { recursive: true });
  symlinkSync('/lib/systemd/system/systemd-networkd.service', join(wants, 'systemd-networkd.service'));
  const options = ['-q', '-F', '-t', 'ext4', '-O', '^has_journal', '-L', 'root', '-d', root];
  await run('mke2fs', [...options, join(directory, 'disk.img'), `${kind.recipe.diskMib}M`]);
  rmSync(root, { recursive: true });
}

/** Starts it, waits until it is up, and saves that state: later starts take seconds. */
async function boot(image: VmImage, progress: Progress): Promise<void> {
  const { kind, directory, qemuRoot } = image;
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
  const child = startMachine({ kind, root: qemuRoot, directory: work, image: directory, port });
  const ended = endOf(child, work);
  try {
    await Promise.race([up(image, work, port), ended]);
    await endMachineAfter(child, work, ['stop', `savevm ${bootedState}`]);
  } catch (error) {
    const said = lastLines(readFileSync(join(work, 'console.log'), 'latin1'), 15);
    throw new Error(`the ${kind.title} did not come up: ${String(error)}; its console said last:\n${said}`, {
      cause: error,
    });
  } finally {
    child.kill('SIGKILL');
  }
  renameSync(join(work, 'overlay.qcow2'), join(directory, 'overlay.qcow2'));
  rmSync(work, { recursive: true });
}

async function up({ kind, directory }: VmImage, work: string, port: number): Promise<void> {
  await waitForSsh('127.0.0.1', port, patience);
  const hostKeys = readFileSync(join(directory, 'host-keys'), 'utf8').trim().split('\n');
  const knownHosts = writeKnownHosts(work, port, hostKeys);
  const options = sshArguments({ keyFile: join(directory, 'key'), knownHosts, port });
  const script = sh`systemctl is-system-running --wait; systemctl --failed --no-legend; sync`;
  const state = await run('ssh', [...options, script.text]);
  if (!state.startsWith('running')) throw new Error(`the emulated machine is ${state}`);
  if (kind.check !== undefined) await run('ssh', [...options, kind.check.text]);
}

function named(root: string, prefix: string): string {
  const found = readdirSync(join(root, 'boot')).find((name) => name.startsWith(prefix));
  if (found === undefined) throw new Error(`the root file system has no /boot/${prefix}*`);
  return found;
}

const network = `[Match]
Name=eth0

[Network]
Address=10.0.2.15/24
`;
