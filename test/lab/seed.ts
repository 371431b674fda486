import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { run } from './process.ts';
import { hostRecipe } from './recipe.ts';

const hostKeyTypes = ['ed25519', 'ecdsa'] as const;

export interface SeedOptions {
  /** Where the files are put. */
  readonly seed: string;
  /** The root file system they will lie over. */
  readonly root: string;
  readonly hostName: string;
  /** May log in as every user of the host. */
  readonly userPublicKey: string;
}

/** Writes what a host has of its own; returns its public host keys in OpenSSH form, ed25519 first. */
export async function writeSeed(options: SeedOptions): Promise<readonly string[]> {
  put(options, 'etc/hostname', `${options.hostName}\n`);
  put(options, 'etc/hosts', `127.0.0.1 localhost\n127.0.1.1 ${options.hostName}\n::1 localhost\n`);
  put(options, 'etc/machine-id', `${randomBytes(16).toString('hex')}\n`, 0o444);
  const users = [{ home: 'root', uid: 0, gid: 0 }, ...hostRecipe.users.map(homeOf)];
  for (const { home, uid, gid } of users) {
    const file = put(options, `${home}/.ssh/authorized_keys`, options.userPublicKey, 0o600);
    for (const path of [dirname(file), file]) chownSync(path, uid, gid);
    chmodSync(dirname(file), 0o700);
  }
  return Promise.all(hostKeyTypes.map((type) => makeHostKey(options, type)));
}

function homeOf({ name, uid }: { name: string; uid: number }): { home: string; uid: number; gid: number } {
  return { home: `home/${name}`, uid, gid: 100 };
}

async function makeHostKey(options: SeedOptions, type: (typeof hostKeyTypes)[number]): Promise<string> {
  const file = join(options.seed, `etc/ssh/ssh_host_${type}_key`);
  makeDirectory(options, 'etc/ssh');
  await makeKey(file, type, `root@${options.hostName}`);
  return publicKey(file);
}

/** A key pair without a passphrase: `file` and `file.pub`. */
export async function makeKey(file: string, type: string, comment: string): Promise<void> {
  await run('ssh-keygen', ['-q', '-t', type, '-N', '', '-C', comment, '-f', file]);
}

/** Type and key of `file.pub`, without its comment. */
export function publicKey(file: string): string {
  return readFileSync(`${file}.pub`, 'utf8').trim().split(' ').slice(0, 2).join(' ');
}

function put(options: SeedOptions, path: string, content: string, mode = 0o644): string {
  makeDirectory(options, dirname(path));
  const file = join(options.seed, path);
  writeFileSync(file, content);
  chmodSync(file, mode);
  return file;
}

/** Directories that exist below keep their mode and owner: the upper layer's attributes win in an overlay. */
function makeDirectory(options: SeedOptions, path: string): void {
  const directory = join(options.seed, path);
  if (statSync(directory, { throwIfNoEntry: false }) !== undefined) return;
  if (path !== '.') makeDirectory(options, dirname(path));
  mkdirSync(directory, { recursive: true });
  const below = statSync(join(options.root, path), { throwIfNoEntry: false });
  if (below === undefined) return;
  chmodSync(directory, below.mode & 0o7777);
  chownSync(directory, below.uid, below.gid);
}
