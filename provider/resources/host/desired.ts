import type { Address } from '../../model/address.ts';
import { defaultRoots, type HostRoots } from '../../model/paths.ts';
import type { Toolstack } from '../../model/toolstack.ts';
import { sha256 } from '../../model/sha256.ts';
import type { HostSpec } from '../../spec/host.ts';
import { unitTemplate } from '../../toolstacks/qemu/supervisor.ts';

/** What is asked for of one host. */
export interface HostDesired {
  readonly host: string;
  /** The fleet that prepares it; several may. */
  readonly fleet: string;
  /** `undefined`: found by search. */
  readonly qemuBinary: string | undefined;
  readonly toolstack: Toolstack;
}

export function hostDesired(
  { name, qemuBinary, toolstack = 'qemu' }: Pick<HostSpec, 'name' | 'qemuBinary'> & Partial<HostSpec>,
  fleet: string,
): HostDesired {
  return { host: name, fleet, qemuBinary, toolstack };
}

export function hostAddress(host: { readonly host: string }): Address {
  return { kind: 'host', host: host.host, name: host.host };
}

/** Names what a fleet asked for: written on its record. */
export function hostDigest(desired: HostDesired): string {
  const { qemuBinary, toolstack } = desired;
  // as it was before there was another toolstack
  return sha256(JSON.stringify([qemuBinary ?? null, ...(toolstack === 'qemu' ? [] : [toolstack])]));
}

export function unitTemplateSha256(roots: HostRoots = defaultRoots): string {
  return sha256(unitTemplate(roots));
}

/** Directories that a prepared host has, all of root's, 0700. */
export function stateDirectories(roots: HostRoots = defaultRoots): readonly string[] {
  const below = ['owners', 'capabilities', 'users', 'leases', 'leases/domid', 'files', 'guests'];
  return [roots.state, ...below.map((name) => `${roots.state}/${name}`)];
}

/** Directories that come and go with a boot and with guests; wrong only where they are there and not root's alone. */
export function runDirectories(roots: HostRoots = defaultRoots): readonly string[] {
  return [roots.run, ...['root', 'guests', 'tampered'].map((name) => `${roots.run}/${name}`)];
}

/** A path as a record holds it: as it is where a record can, else in base64. */
export function storePath(path: string): string {
  return /^\/[A-Za-z0-9._+/=-]*$/.test(path)
    ? path
    : `base64:${Buffer.from(path, 'utf8').toString('base64')}`;
}

export function readStoredPath(stored: string | undefined): string | undefined {
  if (stored?.startsWith('base64:') === true) return Buffer.from(stored.slice(7), 'base64').toString('utf8');
  return stored;
}
