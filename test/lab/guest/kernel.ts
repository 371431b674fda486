import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../process.ts';

/** Puts the kernel of an unpacked package into `directory` as `vmlinuz`, and unpacked as `vmlinux`. */
export async function placeKernel(work: string, directory: string): Promise<void> {
  const compressed = readFileSync(onlyFile(join(work, 'boot'), 'vmlinuz-'));
  writeFileSync(join(directory, 'vmlinuz'), compressed);
  await unpackKernel(compressed, work, join(directory, 'vmlinux'));
}

/** What the kernel's own scripts/extract-vmlinux does for a kernel compressed with xz. */
async function unpackKernel(compressed: Buffer, work: string, unpacked: string): Promise<void> {
  const start = compressed.indexOf(Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]));
  if (start < 0) throw new Error("the kernel package's vmlinuz is not compressed with xz");
  const payload = join(work, 'payload.xz');
  writeFileSync(payload, compressed.subarray(start));
  // What follows the xz stream is the boot stub's.
  await run('sh', ['-c', 'xz -dc --single-stream "$1" >"$2"', 'sh', payload, unpacked]);
  if (!readFileSync(unpacked).subarray(0, 4).equals(Buffer.from('\x7fELF', 'latin1'))) {
    throw new Error('the kernel did not unpack to an ELF file');
  }
}

/** Where an unpacked kernel package has the module. */
export function moduleFile(work: string, module: string): string {
  const files = readdirSync(join(work, 'lib/modules'), { recursive: true, encoding: 'utf8' });
  const file = files.find((path) => path.endsWith(`/${module}.ko`));
  if (file === undefined) throw new Error(`the kernel package holds no module ${module}`);
  return join(work, 'lib/modules', file);
}

function onlyFile(directory: string, prefix: string): string {
  const [name, ...others] = readdirSync(directory).filter((entry) => entry.startsWith(prefix));
  if (name === undefined || others.length > 0) throw new Error(`not exactly one ${prefix}* in ${directory}`);
  return join(directory, name);
}
