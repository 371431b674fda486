import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  binaryName,
  platformName,
  type ProviderRelease,
  sourceAddress,
} from '../../provider/tfplugin/packaging/address.ts';

/** The provider as one executable file. */
export interface BuiltProvider {
  readonly release: ProviderRelease;
  readonly bundleFile: string;
}

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

/** The provider that belongs to these constructs. In a checkout it is built first, where its sources changed since the last time. */
export function builtProvider(): BuiltProvider {
  const release = { namespace: 'stockade', type: 'stockade', version: packageVersion() };
  const folder = path.join(root, 'dist/mirror', sourceAddress(release), release.version, platformName());
  const bundleFile = path.join(folder, binaryName(release));
  buildWhereStale(bundleFile);
  if (!existsSync(bundleFile)) throw new Error(`the provider is missing: there is no ${bundleFile}`);
  return { release, bundleFile };
}

function packageVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  if (
    typeof manifest === 'object' &&
    manifest !== null &&
    'version' in manifest &&
    typeof manifest.version === 'string'
  ) {
    return manifest.version;
  }
  throw new Error(`${root}/package.json has no version`);
}

function buildWhereStale(bundleFile: string): void {
  const script = path.join(root, 'scripts/build-provider.ts');
  if (!existsSync(script)) return;
  const stamp = path.join(root, 'dist/provider-sources.sha256');
  const digest = digestOfSources();
  if (existsSync(bundleFile) && existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return;
  const built = spawnSync(process.execPath, ['--import', 'tsx', script], { cwd: root, encoding: 'utf8' });
  if (built.status !== 0)
    throw new Error(`the provider could not be built:\n${built.stderr || String(built.error)}`);
  writeFileSync(stamp, digest);
}

/** Of everything that goes into the bundle, and of what makes it. */
function digestOfSources(): string {
  const sources = readdirSync(path.join(root, 'provider'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .toSorted()
    .map((name) => path.join('provider', name));
  const hash = createHash('sha256');
  for (const name of ['package.json', 'package-lock.json', 'scripts/build-provider.ts', ...sources]) {
    const file = path.join(root, name);
    if (existsSync(file))
      hash.update(`${name}\n`).update(createHash('sha256').update(readFileSync(file)).digest());
  }
  return hash.digest('hex');
}
