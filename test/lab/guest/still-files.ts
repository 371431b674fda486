import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cached } from '../cache.ts';
import { recipeDigest } from '../recipe.ts';
import { standstillKernel } from './standstill.ts';

/** Files of a guest that is only there: `standstillKernel`, and an initrd that nothing reads. */
export interface StillFiles {
  readonly kernel: string;
  readonly initrd: string;
}

/** Starting a guest of them takes no time of a processor, where Linux takes half a minute to boot under emulation. */
export async function stillFiles(): Promise<StillFiles> {
  const kernel = standstillKernel();
  const initrd = Buffer.alloc(1 << 20, 'an initrd that nothing reads\n');
  const recipe = [kernel, initrd].map((file) => file.toString('hex'));
  const directory = await cached('still', recipeDigest(recipe), (unfinished) => {
    writeFileSync(join(unfinished, 'kernel'), kernel);
    writeFileSync(join(unfinished, 'initrd'), initrd);
    return Promise.resolve();
  });
  return { kernel: join(directory, 'kernel'), initrd: join(directory, 'initrd') };
}
