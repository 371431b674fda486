import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll } from 'vitest';
import { buildProvider } from '../../scripts/build-provider.ts';
import { binaryName } from '../../provider/tfplugin/packaging/address.ts';
import { bundleProvider } from '../../provider/tfplugin/packaging/bundle.ts';
import { installInMirror, renderCliConfig } from '../../provider/tfplugin/packaging/mirror.ts';

let folder: string | undefined;
afterAll(() => {
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

/**
 * A mirror with the provider as users get it, and a stand-in for the plugin of `hashicorp/null`; what `TF_CLI_CONFIG_FILE` is set to.
 *
 * @param version the one that the stack's bindings ask for
 */
export async function mirrorWithNullStandIn(version: string): Promise<string> {
  folder = mkdtempSync(join(tmpdir(), 'stockade-null-stand-in-'));
  const { release, mirrorFolder, cliConfigFile } = await buildProvider(folder);
  const standIn = { namespace: 'hashicorp', type: 'null', version };
  const bundleFile = join(folder, binaryName(standIn));
  await bundleProvider({
    entry: resolve(import.meta.dirname, '../stand-ins/null-provider/main.ts'),
    outFile: bundleFile,
  });
  installInMirror({ ...standIn, mirrorFolder, bundleFile });
  writeFileSync(cliConfigFile, renderCliConfig(mirrorFolder, [release, standIn]));
  return cliConfigFile;
}
