import { chmodSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cached, type Progress } from './cache.ts';
import { leashed, run } from './process.ts';
import { hostRecipe, recipeDigest, recipeOf, type RootRecipe, type Suite } from './recipe.ts';

/**
 * The root file system every test host is an overlay on: Debian with systemd, sshd and QEMU. Built once by debootstrap
 * (about a minute), then taken from the cache.
 */
export async function hostRoot(progress: Progress, suite: Suite = hostRecipe.suite): Promise<string> {
  const recipe = recipeOf(suite);
  // a kind of its own for each other release: they can be built side by side
  const kind = suite === hostRecipe.suite ? 'root' : suite;
  const entry = await cached(kind, recipeDigest(recipe), async (directory) => {
    progress(`building the test hosts' root file system (Debian ${suite}), once`);
    await build(join(directory, 'root'), recipe);
  });
  return join(entry, 'root');
}

/** Makes a host's root file system by debootstrap. */
export async function build(root: string, recipe: RootRecipe): Promise<void> {
  write(root, 'etc/dpkg/dpkg.cfg.d/lab', dpkgConfiguration);
  const include = `--include=${recipe.packages.join(',')}`;
  await run(...leashed(['debootstrap', '--variant=minbase', include, recipe.suite, root]));
  for (const user of recipe.users) {
    const identity = [
      '--uid',
      String(user.uid),
      '--gid',
      'users',
      '--create-home',
      '--shell',
      '/bin/bash',
      user.name,
    ];
    await run('chroot', [root, 'useradd', ...identity]);
    if (user.sudo) write(root, `etc/sudoers.d/${user.name}`, `${user.name} ALL=(ALL) NOPASSWD:ALL\n`, 0o440);
  }
  write(root, 'etc/ssh/sshd_config.d/lab.conf', sshdConfiguration);
  for (const unit of recipe.maskedUnits) {
    const path = join(root, 'etc/systemd/system', unit);
    rmSync(path, { force: true });
    symlinkSync('/dev/null', path);
  }
  clear(root);
}

/** What only the build needs, and what each host must have of its own. */
function clear(root: string): void {
  empty(join(root, 'var/cache/apt'));
  empty(join(root, 'var/lib/apt/lists'));
  empty(join(root, 'var/log'));
  for (const name of readdirSync(join(root, 'etc/ssh'))) {
    if (name.startsWith('ssh_host_')) rmSync(join(root, 'etc/ssh', name));
  }
  write(root, 'etc/resolv.conf', '');
  rmSync(join(root, 'etc/machine-id'), { force: true });
}

function empty(directory: string): void {
  for (const name of readdirSync(directory)) rmSync(join(directory, name), { recursive: true });
}

/** Writes a file of a root file system, with its directories. */
export function write(root: string, path: string, content: string, mode = 0o644): void {
  const file = join(root, path);
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, content);
  chmodSync(file, mode);
}

/** No fsync while unpacking a tree that is thrown away when interrupted; nothing nobody reads. */
const dpkgConfiguration = `force-unsafe-io
path-exclude=/usr/share/doc/*
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/man/*
`;

/** Many sessions over one connection, many connections at once, no name look-ups. */
const sshdConfiguration = `UseDNS no
PermitRootLogin prohibit-password
PasswordAuthentication no
MaxSessions 100
MaxStartups 200:30:400
PrintMotd no
`;
