import { type ProviderRelease, sourceAddress } from './address.ts';

export interface LockedProvider extends ProviderRelease {
  /** As in required_providers: `~> 0.1`. Default: exactly the version. */
  readonly constraints?: string;
  /** `h1:…`, one for each platform and build. Without any, `terraform init` installs this version and adds its hash. */
  readonly hashes: readonly string[];
}

/**
 * A `.terraform.lock.hcl`. Where it stands, neither `terraform init` nor `cdktf deploy` asks a registry about these providers.
 */
export function renderLockFile(providers: readonly LockedProvider[]): string {
  const header =
    '# This file is maintained automatically by "terraform init".\n# Manual edits may be lost in future updates.\n';
  const sorted = providers.toSorted((a, b) => (sourceAddress(a) < sourceAddress(b) ? -1 : 1));
  return [header, ...sorted.map(renderProvider)].join('\n');
}

function renderProvider(provider: LockedProvider): string {
  const hashes = provider.hashes.toSorted().map((hash) => `    "${hash}",\n`);
  const hashSet = hashes.length === 0 ? '' : `  hashes = [\n${hashes.join('')}  ]\n`;
  return (
    `provider "${sourceAddress(provider)}" {\n` +
    `  version     = "${provider.version}"\n` +
    `  constraints = "${provider.constraints ?? provider.version}"\n` +
    `${hashSet}}\n`
  );
}
