import { Construct, type IConstruct } from 'constructs';
import type { z } from 'zod';
import { hostSchema } from '../provider/spec/host.ts';
import { refuseUnlessValid } from './check.ts';
import { defined, type Described } from './described.ts';
import type { StockadeFleet } from './fleet.ts';
import { Host, type HostConfig } from './generated/host/index.ts';
import { type ClaimedShare, ShareClaims } from './share-claims.ts';
import { QemuUsers, type QemuUsersOptions } from './users.ts';

/** A host to prepare for restricted guests. */
export interface HypervisorHostProps extends Described<HostConfig, z.input<typeof hostSchema>, 'name'> {
  /** The fleet whose inventory has the host. */
  readonly fleet: StockadeFleet;
  /**
   * The host's name in the fleet's inventory.
   * @default - the construct's id
   */
  readonly name?: string;
}

/** A hypervisor host, prepared: directories, unit template, logger user. Nothing on it runs as an agent. */
export class HypervisorHost extends Construct {
  /** Terraform's resource, with all that was found out about the host. */
  readonly resource: Host;
  readonly fleet: StockadeFleet;
  /** The name as given; `resource.name` is the reference to it. */
  readonly name: string;
  readonly #shares = new ShareClaims();

  constructor(scope: Construct, id: string, props: HypervisorHostProps) {
    super(scope, id);
    const { fleet, name = id, ...rest } = props;
    refuseUnlessValid(this, hostSchema, { name, ...rest });
    if (fleet.has(name) === false) {
      throw new Error(
        `${this.node.path}: the fleet has no host "${name}"; its inventory has: ${fleet.hostNames.join(', ') || 'none'}`,
      );
    }
    this.fleet = fleet;
    this.name = name;
    this.resource = new Host(this, 'Default', { provider: fleet.provider, name, ...defined(rest) });
  }

  /** The host's id, a reference: what uses it comes after the host. */
  get id(): string {
    return this.resource.id;
  }

  /**
   * Keeps two guests from writing to one directory, or into each other's; `RestrictedGuest` calls it for each share.
   * @throws where another guest stands against it
   */
  claimShare(guest: IConstruct, share: ClaimedShare): void {
    this.#shares.claim(guest, share);
  }

  /** Users for this host's guests: `new QemuUsers(host, scheme, { host, … })`. */
  qemuUsers(options: QemuUsersOptions = {}): QemuUsers {
    return new QemuUsers(this, options.scheme ?? 'per-domain', { host: this, ...options });
  }
}
