import { chmodSync, copyFileSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { binaryName, platformName, type ProviderRelease, sourceAddress } from './address.ts';
import { hashFolder } from './h1.ts';

export interface MirrorInstallation extends ProviderRelease {
  /** Root of the filesystem mirror; made where it does not exist. */
  readonly mirrorFolder: string;
  /** What `bundleProvider` made. */
  readonly bundleFile: string;
}

export interface InstalledProvider {
  readonly folder: string;
  /** For the lock file. */
  readonly h1: string;
}

/**
 * Puts a provider where Terraform's `filesystem_mirror` (unpacked layout) finds it, in place of what was there. The folder
 * gets a package.json of its own, as Node would else load the file by whatever package.json lies above it.
 */
export function installInMirror(installation: MirrorInstallation): InstalledProvider {
  const { mirrorFolder, bundleFile, version } = installation;
  const parent = path.join(mirrorFolder, sourceAddress(installation), version);
  const folder = path.join(parent, platformName());
  const fresh = `${folder}.${process.pid}.new`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true });
  const binary = path.join(fresh, binaryName(installation));
  copyFileSync(bundleFile, binary);
  chmodSync(binary, 0o755);
  writeFileSync(path.join(fresh, 'package.json'), '{"type":"commonjs"}\n');
  rmSync(folder, { recursive: true, force: true });
  renameSync(fresh, folder);
  return { folder, h1: hashFolder(folder) };
}

/** The `TF_CLI_CONFIG_FILE` that makes Terraform take these providers from the mirror and nowhere else. */
export function renderCliConfig(mirrorFolder: string, releases: readonly ProviderRelease[]): string {
  const quoted = releases.map((release) => JSON.stringify(sourceAddress(release))).join(', ');
  return (
    `provider_installation {\n  filesystem_mirror {\n    path    = ${JSON.stringify(mirrorFolder)}\n` +
    `    include = [${quoted}]\n  }\n  direct {\n    exclude = [${quoted}]\n  }\n}\n`
  );
}
