/**
 * Builds the provider and puts it into a filesystem mirror, where Terraform finds it without a registry. `npm run build` prints
 * the Terraform configuration that points there.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  binaryName,
  platformName,
  type ProviderRelease,
  sourceAddress,
} from '../provider/tfplugin/packaging/address.ts';
import { bundleProvider } from '../provider/tfplugin/packaging/bundle.ts';
import { hashFolder } from '../provider/tfplugin/packaging/h1.ts';
import { installInMirror, renderCliConfig } from '../provider/tfplugin/packaging/mirror.ts';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const distFolder = path.join(root, 'dist');

export interface BuiltProvider {
  readonly release: ProviderRelease;
  /** The executable, as Terraform starts it. */
  readonly binary: string;
  /** Of the folder it is in, for lock files. */
  readonly h1: string;
  readonly mirrorFolder: string;
  /** What `TF_CLI_CONFIG_FILE` is set to. */
  readonly cliConfigFile: string;
}

export function providerRelease(): ProviderRelease {
  const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
    version: string;
  };
  return { namespace: 'stockade', type: 'stockade', version };
}

/**
 * Builds; what is installed is replaced only where it differs, as others may be running it.
 *
 * @param folder gets `mirror/` and `terraform.rc`; @default `dist`
 */
export async function buildProvider(folder: string = distFolder): Promise<BuiltProvider> {
  const release = providerRelease();
  const mirrorFolder = path.join(folder, 'mirror');
  const cliConfigFile = path.join(folder, 'terraform.rc');
  mkdirSync(folder, { recursive: true });
  const work = mkdtempSync(path.join(folder, 'build-'));
  try {
    const bundleFile = path.join(work, binaryName(release));
    await bundleProvider({ entry: path.join(root, 'provider/terraform/main.ts'), outFile: bundleFile });
    const installed = path.join(mirrorFolder, sourceAddress(release), release.version, platformName());
    const binary = path.join(installed, binaryName(release));
    if (!sameContent(bundleFile, binary)) installInMirror({ ...release, mirrorFolder, bundleFile });
    const config = renderCliConfig(mirrorFolder, [release]);
    if (contentOf(cliConfigFile)?.toString('utf8') !== config) writeFileSync(cliConfigFile, config);
    return { release, binary, h1: hashFolder(installed), mirrorFolder, cliConfigFile };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function sameContent(one: string, other: string): boolean {
  const content = contentOf(one);
  const installed = contentOf(other);
  return content !== undefined && installed !== undefined && content.equals(installed);
}

function contentOf(file: string): Buffer | undefined {
  return statSync(file, { throwIfNoEntry: false }) === undefined ? undefined : readFileSync(file);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const built = await buildProvider();
  const version = execFileSync(process.execPath, ['--version']).toString().trim();
  process.stdout.write(
    `built ${path.relative(root, built.binary)} (Node ${version}, ${statSync(built.binary).size} bytes)\n` +
      `use it with TF_CLI_CONFIG_FILE=${built.cliConfigFile}\n`,
  );
}
