import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Annotations, TerraformStack } from 'cdktf';
import type { Construct } from 'constructs';
import { platformName, sourceAddress } from '../../provider/tfplugin/packaging/address.ts';
import { hashFolder } from '../../provider/tfplugin/packaging/h1.ts';
import { type LockedProvider, renderLockFile } from '../../provider/tfplugin/packaging/lock-file.ts';
import { installInMirror } from '../../provider/tfplugin/packaging/mirror.ts';
import { type BuiltProvider, builtProvider } from './built-provider.ts';
import { cliConfigFile, hidesImpliedMirrors } from './cli-config.ts';
import { parseLockFile } from './lock-entries.ts';
import { otherProviders } from './other-providers.ts';

const prepared = new WeakSet<TerraformStack>();

/**
 * When the construct's stack is synthesized, the provider is put into the stack's folder (`terraform.d/plugins`, where Terraform looks by
 * itself) with a lock file beside it. Nothing outside that folder changes. See docs/design/0031-provider-without-registry.md.
 */
export function installProviderAtSynth(construct: Construct): void {
  const stack = TerraformStack.of(construct);
  if (prepared.has(stack)) return;
  prepared.add(stack);
  const configFile = cliConfigFile();
  if (hidesImpliedMirrors(configFile)) warnOfOwnInstallation(construct, configFile);
  const synthesizer = stack.synthesizer;
  stack.synthesizer = {
    synthesize: (session) => {
      synthesizer.synthesize(session);
      const folder = path.resolve(session.outdir, session.manifest.forStack(stack).workingDirectory);
      installInStack(folder, builtProvider(), otherProviders(stack));
    },
  };
}

/** Installs the provider in the folder Terraform will run in, and locks it and the stack's other providers. */
export function installInStack(
  folder: string,
  built: BuiltProvider,
  others: readonly LockedProvider[] = [],
): void {
  mkdirSync(folder, { recursive: true });
  const h1 = installed(path.join(folder, 'terraform.d/plugins'), built);
  const lockFile = path.join(folder, '.terraform.lock.hcl');
  const present = existsSync(lockFile) ? parseLockFile(readFileSync(lockFile, 'utf8')) : [];
  const kept = others.map((other) => present.find((one) => isSameChoice(one, other)) ?? other);
  const text = renderLockFile([...kept, { ...built.release, hashes: [h1] }]);
  if (!existsSync(lockFile) || readFileSync(lockFile, 'utf8') !== text) writeFileSync(lockFile, text);
}

/** Leaves what is there already alone: a Terraform may be running it. */
function installed(mirrorFolder: string, { release, bundleFile }: BuiltProvider): string {
  const wanted = hashFolder(path.dirname(bundleFile));
  const folder = path.join(mirrorFolder, sourceAddress(release), release.version, platformName());
  if (existsSync(folder) && hashFolder(folder) === wanted) return wanted;
  return installInMirror({ ...release, mirrorFolder, bundleFile }).h1;
}

function isSameChoice(present: LockedProvider, wanted: LockedProvider): boolean {
  const asked = (one: LockedProvider) => one.constraints ?? one.version;
  return sourceAddress(present) === sourceAddress(wanted) && asked(present) === asked(wanted);
}

function warnOfOwnInstallation(construct: Construct, configFile: string): void {
  Annotations.of(construct).addWarning(
    `${configFile} has a provider_installation block, so Terraform does not look into the stack's folder. Add to that block: ` +
      'filesystem_mirror { path = "terraform.d/plugins"  include = ["stockade/stockade"] }, and exclude "stockade/stockade" from direct.',
  );
}
