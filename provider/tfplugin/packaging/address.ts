/** Which provider, in which version: `registry.terraform.io/stockade/stockade` `0.1.0`. */
export interface ProviderRelease {
  /** Default `registry.terraform.io`, the one Terraform assumes. */
  readonly hostname?: string;
  readonly namespace: string;
  /** The provider's name, the first part of its resources' names. */
  readonly type: string;
  /** Without a leading `v`. */
  readonly version: string;
}

export function sourceAddress({ hostname, namespace, type }: ProviderRelease): string {
  return `${hostname ?? 'registry.terraform.io'}/${namespace}/${type}`;
}

/** The name Terraform looks for in a provider's folder. */
export function binaryName({ type, version }: ProviderRelease): string {
  return `terraform-provider-${type}_v${version}`;
}

const SYSTEMS: Readonly<Record<string, string>> = { win32: 'windows' };
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' };

/** Terraform's name for this machine: `linux_amd64`. */
export function platformName(system: string = process.platform, architecture: string = process.arch): string {
  return `${SYSTEMS[system] ?? system}_${ARCHITECTURES[architecture] ?? architecture}`;
}
