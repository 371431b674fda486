import { TerraformProvider, type TerraformStack } from 'cdktf';
import { sourceAddress } from '../../provider/tfplugin/packaging/address.ts';
import type { LockedProvider } from '../../provider/tfplugin/packaging/lock-file.ts';

/**
 * The stack's other providers, each in the version its bindings were made from. Where the lock file lacks one of a stack's providers,
 * `cdktf deploy` runs `terraform providers lock`, which asks the registry about all of them, also those it cannot know. So each gets an
 * entry; `terraform init` adds the hash of what it installs.
 */
export function otherProviders(stack: TerraformStack): readonly LockedProvider[] {
  const entries = stack.node
    .findAll()
    .flatMap((node) => (node instanceof TerraformProvider ? lockable(node) : []));
  return [...new Map(entries.map((entry) => [sourceAddress(entry), entry])).values()];
}

function lockable(provider: TerraformProvider): readonly LockedProvider[] {
  const { providerVersion: version, providerVersionConstraint } = provider.terraformGeneratorMetadata ?? {};
  const [type = '', namespace = 'hashicorp', hostname] = (provider.terraformProviderSource ?? '')
    .split('/')
    .toReversed();
  if (version === undefined || type === '' || `${namespace}/${type}` === 'stockade/stockade') return [];
  const address = { namespace, type, ...(hostname === undefined ? {} : { hostname }) };
  return [{ ...address, version, constraints: providerVersionConstraint ?? version, hashes: [] }];
}
