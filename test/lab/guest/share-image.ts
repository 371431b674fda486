import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { cached, type Progress } from '../cache.ts';
import { hostRecipe, recipeDigest, shareGuestRecipe } from '../recipe.ts';
import { hostRoot } from '../root.ts';
import { downloadPackage, unpackPackage } from './apt.ts';
import { type ArchiveEntry, cpioArchive } from './cpio.ts';
import { moduleFile, placeKernel } from './kernel.ts';
import { shareInit } from './share-init.ts';

/** Files to boot a guest from that uses shared directories, on this machine. */
export interface ShareGuestImage {
  /** Debian's kernel, unpacked. */
  readonly unpackedKernel: string;
  /** An initramfs with perl and what the guest does with its shares: `share/main.pl` says how it is told. Not compressed. */
  readonly initrd: string;
}

const programs = join(import.meta.dirname, 'share');

/** The share guest's kernel and initramfs; made once, then taken from the cache. */
export async function buildShareGuest(progress: Progress = () => undefined): Promise<ShareGuestImage> {
  const sources = programFiles();
  const recipe = { shareGuestRecipe, hostRecipe, shareInit, sources };
  const directory = await cached('share-guest', recipeDigest(recipe), async (unfinished) => {
    progress('preparing the kernel and initramfs of the guest with shared directories, once');
    await build(unfinished, sources, await hostRoot(progress));
  });
  return { unpackedKernel: join(directory, 'vmlinux'), initrd: join(directory, 'initrd.img') };
}

/** What the guest runs; `swap.pl` is for the host. */
function programFiles(): Readonly<Record<string, string>> {
  const names = readdirSync(programs).filter(
    (name) => name.endsWith('.pl') && name !== basename(swapProgram),
  );
  return Object.fromEntries(names.sort().map((name) => [name, readFileSync(join(programs, name), 'utf8')]));
}

/** Swaps a directory for a symbolic link on the host while the guest opens it: see the file. */
export const swapProgram = join(programs, 'swap.pl');

async function build(
  directory: string,
  sources: Readonly<Record<string, string>>,
  root: string,
): Promise<void> {
  const work = join(directory, 'work');
  mkdirSync(work);
  const { suite, kernelPackage, modules } = shareGuestRecipe;
  const packages = await downloadPackage(work, suite, [kernelPackage, 'busybox-static']);
  const wanted = modules.map((module) => `*/${module}.ko`);
  await unpackPackage(packages.kernel, work, ['./boot/vmlinuz-*', ...wanted]);
  await unpackPackage(packages.busybox, work, ['./bin/busybox']);
  await placeKernel(work, directory);
  const files: readonly ArchiveEntry[] = [
    file('init', Buffer.from(shareInit), 0o755),
    file('bin/busybox', readFileSync(join(work, 'bin/busybox')), 0o755),
    ...modules.map((module) => file(`lib/${module}.ko`, readFileSync(moduleFile(work, module)))),
    ...Object.entries(sources).map(([name, text]) => file(`share/${name}`, Buffer.from(text))),
    ...perlFiles(root),
  ];
  const archive = cpioArchive([...directoriesOf(files), ...files]);
  writeFileSync(join(directory, 'initrd.img'), clearOfTables(archive));
  rmSync(work, { recursive: true });
}

/**
 * QEMU gives an initrd the last pages of a microvm's memory, and its firmware puts the ACPI tables at the end of the last one (some 800 bytes;
 * seen with QEMU 10.0): an archive that reaches so far overwrites them, and Linux may hang in them. So its last page is nearly empty; what
 * follows an archive as zeros is none of it.
 */
function clearOfTables(archive: Buffer): Buffer {
  const page = 4096;
  const used = archive.length % page;
  return used > 0 && used <= page / 2 ? archive : Buffer.concat([archive, Buffer.alloc(page - used + 4)]);
}

/** Perl as the test hosts' root has it, and the libraries that it needs. */
function perlFiles(root: string): readonly ArchiveEntry[] {
  const { libraries, perlModules } = shareGuestRecipe;
  const modules = 'usr/lib/x86_64-linux-gnu/perl-base';
  return [
    file('bin/perl', readFileSync(join(root, 'usr/bin/perl')), 0o755),
    file(
      'lib64/ld-linux-x86-64.so.2',
      readFileSync(join(root, 'lib/x86_64-linux-gnu/ld-linux-x86-64.so.2')),
      0o755,
    ),
    ...libraries.map((name) => {
      const path = `lib/x86_64-linux-gnu/${name}`;
      return file(path, readFileSync(join(root, path)), 0o755);
    }),
    ...perlModules.map((name) => file(`${modules}/${name}`, readFileSync(join(root, modules, name)))),
  ];
}

function file(path: string, content: Buffer, mode = 0o644): ArchiveEntry {
  return { path, kind: 'file', mode, content };
}

/** Every directory that a file lies in, parents first, and those that the guest mounts on. */
function directoriesOf(files: readonly ArchiveEntry[]): readonly ArchiveEntry[] {
  const paths = new Set(['dev', 'mnt', 'proc', 'sys', 'tmp']);
  for (const { path } of files) {
    const parts = path.split('/').slice(0, -1);
    parts.forEach((_, index) => paths.add(parts.slice(0, index + 1).join('/')));
  }
  return [...paths].sort().map((path) => ({ path, kind: 'directory' }));
}
