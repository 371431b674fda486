import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { cached, type Progress } from '../cache.ts';
import { guestRecipe, recipeDigest } from '../recipe.ts';
import { downloadPackage, unpackPackage } from './apt.ts';
import { type ArchiveEntry, cpioArchive } from './cpio.ts';
import { diskInit } from './disk-init.ts';
import { hostileInit, quietInit } from './init.ts';
import { moduleFile, placeKernel } from './kernel.ts';

/** Files to boot a guest from, on this machine. */
export interface GuestImage {
  /** Debian's compressed kernel, 8 MB. */
  readonly kernel: string;
  /** The same kernel unpacked, 66 MB: spares an emulated guest the three seconds of unpacking it. */
  readonly unpackedKernel: string;
  /** An initramfs with busybox: see `quietInit`. */
  readonly initrd: string;
  /** The same with `hostileInit`. */
  readonly hostileInitrd: string;
  /** The same with `diskInit` and the modules it needs. */
  readonly diskInitrd: string;
}

/** The guest's kernel and initramfs; made once, then taken from the cache. */
export async function buildGuestImage(progress: Progress = () => undefined): Promise<GuestImage> {
  const recipe = { ...guestRecipe, quietInit, hostileInit, diskInit };
  const directory = await cached('guest', recipeDigest(recipe), async (unfinished) => {
    progress("preparing the guests' kernel and initramfs, once");
    await build(unfinished);
  });
  return {
    kernel: join(directory, 'vmlinuz'),
    unpackedKernel: join(directory, 'vmlinux'),
    initrd: join(directory, 'initrd.img'),
    hostileInitrd: join(directory, 'initrd-hostile.img'),
    diskInitrd: join(directory, 'initrd-disk.img'),
  };
}

async function build(directory: string): Promise<void> {
  const work = join(directory, 'work');
  mkdirSync(work);
  const packages = await downloadPackage(work, guestRecipe.suite, [
    guestRecipe.kernelPackage,
    'busybox-static',
  ]);
  await unpackPackage(packages.kernel, work, [
    './boot/vmlinuz-*',
    ...[...guestRecipe.modules, ...guestRecipe.diskModules].map((module) => `*/${module}.ko`),
  ]);
  await unpackPackage(packages.busybox, work, ['./bin/busybox']);
  await placeKernel(work, directory);
  const busybox = join(work, 'bin/busybox');
  const { modules, diskModules } = guestRecipe;
  for (const [name, init, needed] of [
    ['initrd.img', quietInit, modules],
    ['initrd-hostile.img', hostileInit, modules],
    ['initrd-disk.img', diskInit, [...modules, ...diskModules]],
  ] as const) {
    const files = needed.map((module) => moduleFile(work, module));
    writeFileSync(join(directory, name), initramfs(init, busybox, files));
  }
  rmSync(work, { recursive: true });
}

function initramfs(init: string, busybox: string, modules: readonly string[]): Buffer {
  const directories = ['bin', 'dev', 'lib', 'proc', 'sys'];
  const entries: readonly ArchiveEntry[] = [
    ...directories.map((path) => ({ path, kind: 'directory' as const })),
    { path: 'init', kind: 'file', mode: 0o755, content: Buffer.from(init) },
    { path: 'bin/busybox', kind: 'file', mode: 0o755, content: readFileSync(busybox) },
    ...modules.map((file) => ({
      path: `lib/${file.slice(file.lastIndexOf('/') + 1)}`,
      kind: 'file' as const,
      mode: 0o644,
      content: readFileSync(file),
    })),
  ];
  return gzipSync(cpioArchive(entries), { level: 9 });
}
