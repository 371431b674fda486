/** Builds the command line `stockade` into one file that Node runs: `dist/stockade.cjs`. */
import { renameSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleProvider } from '../provider/tfplugin/packaging/bundle.ts';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

/** @returns the file; it is put in its place as a whole, since somebody may be running it */
export async function buildCli(outFile: string = path.join(root, 'dist/stockade.cjs')): Promise<string> {
  await bundleProvider({ entry: path.join(root, 'provider/cli/main.ts'), outFile: `${outFile}.new` });
  renameSync(`${outFile}.new`, outFile);
  return outFile;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const built = await buildCli();
  process.stdout.write(`built ${path.relative(root, built)} (${statSync(built).size} bytes)\n`);
}
