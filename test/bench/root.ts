import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { cached, type Progress } from '../lab/cache.ts';
import { run } from '../lab/process.ts';
import { hostRecipe, recipeDigest } from '../lab/recipe.ts';
import { hostRoot } from '../lab/root.ts';

/** What the neighbours need on a host beside what a test host has: libvirt, and Python for Ansible. */
const benchRecipe = {
  version: 1,
  base: hostRecipe,
  packages: ['libvirt-daemon-system', 'libvirt-clients', 'python3-minimal', 'python3-apt'],
} as const;

/** A test host's root file system with the neighbours' packages on it; cached. */
export async function benchRoot(progress: Progress): Promise<string> {
  const base = await hostRoot(progress);
  const entry = await cached('bench', recipeDigest(benchRecipe), async (directory) => {
    progress('building the benchmark host (libvirt, Python), once');
    const root = join(directory, 'root');
    await run('cp', ['-a', base, root]);
    await install(root);
  });
  return join(entry, 'root');
}

/** Installs the packages in the root as debootstrap does: no service starts, the machine's own name resolution. */
async function install(root: string): Promise<void> {
  const script = `set -eu
cp --remove-destination /etc/resolv.conf "$1/etc/resolv.conf"
printf '#!/bin/sh\\nexit 101\\n' >"$1/usr/sbin/policy-rc.d"; chmod 755 "$1/usr/sbin/policy-rc.d"
root=$1; shift
unshare --mount --propagation private sh -eu -c '
  root=$1; shift
  mount -t proc proc "$root/proc"; mount --rbind /sys "$root/sys"; mount --rbind /dev "$root/dev"
  chroot "$root" apt-get -q update
  DEBIAN_FRONTEND=noninteractive chroot "$root" apt-get -q install -y --no-install-recommends "$@"
' sh "$root" "$@"
rm "$root/usr/sbin/policy-rc.d"
: >"$root/etc/resolv.conf"`;
  await run('sh', ['-c', script, 'sh', root, ...benchRecipe.packages], { timeoutSeconds: 900 });
  rmSync(join(root, 'var/cache/apt'), { recursive: true, force: true });
}
