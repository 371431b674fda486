/** The kinds of object Stockade manages on a host. */
export type ResourceKind = 'host' | 'qemu-users' | 'guest';

/** What an object is called: one kind, one host (its inventory name), one name on that host. */
export interface Address {
  readonly kind: ResourceKind;
  readonly host: string;
  /** The guest's name, the user scheme, or the host's own name. */
  readonly name: string;
}

/** `guest web1 on hv1`, `host hv1`: how messages name it. */
export function describeAddress(address: Address): string {
  return address.kind === 'host'
    ? `host ${address.host}`
    : `${address.kind} ${address.name} on ${address.host}`;
}

/** `hv1/web1` and `hv1`: the id Terraform sees and imports by. */
export function resourceId(address: Address): string {
  return address.kind === 'host' ? address.host : `${address.host}/${address.name}`;
}
