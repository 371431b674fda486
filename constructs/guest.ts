import { Construct } from 'constructs';
import type { z } from 'zod';
import { guestSchema } from '../provider/spec/guest.ts';
import { refuseUnlessValid } from './check.ts';
import { defined, type Described } from './described.ts';
import { GuestEvidence } from './evidence.ts';
import { type GuestFile, withPathsFromHere } from './files.ts';
import { Guest, type GuestConfig } from './generated/guest/index.ts';
import type { HypervisorHost } from './host.ts';
import type { QemuUsers } from './users.ts';

/** A guest. Every layer of isolation is on; there is nothing to switch on. What `isolation` switches off shows in each plan as a loss. */
export interface RestrictedGuestProps
  extends Described<
    GuestConfig,
    z.input<typeof guestSchema>,
    'host' | 'name' | 'users' | 'kernel' | 'initrd'
  > {
  /** The users it takes one of; their host is the guest's. */
  readonly users: QemuUsers;
  /**
   * The guest's name, unique on its host.
   * @default - the construct's id
   */
  readonly name?: string;
  /** The Linux kernel to boot. */
  readonly kernel: GuestFile;
  /**
   * The initial RAM disk.
   * @default - none
   */
  readonly initrd?: GuestFile;
}

/** An image file or block device of the host. */
export type GuestDiskProps = NonNullable<RestrictedGuestProps['disks']>[number];
/** A directory of the host that the guest may mount. */
export type GuestShareProps = NonNullable<RestrictedGuestProps['shares']>[number];
/** What a guest may take from its host. */
export type GuestLimitsProps = NonNullable<RestrictedGuestProps['limits']>;
/** Departures from full isolation. */
export type GuestIsolationProps = NonNullable<RestrictedGuestProps['isolation']>;

/** QEMU as a user of its own, in an empty chroot, in private namespaces, with no privileges. */
export class RestrictedGuest extends Construct {
  /** Terraform's resource, with `integrity` and everything else that is found out. */
  readonly resource: Guest;
  readonly users: QemuUsers;
  readonly host: HypervisorHost;
  #evidence: GuestEvidence | undefined;
  /** What the guest was made from, as the provider will have it. */
  readonly #definition: object;
  readonly #shares: GuestShareProps[];

  constructor(scope: Construct, id: string, props: RestrictedGuestProps) {
    super(scope, id);
    const { users, name = id, kernel, initrd, ...rest } = props;
    const files = { kernel, ...(initrd === undefined ? {} : { initrd }) };
    const owner = { host: users.host.name, users: `${users.host.name}/${users.scheme}` };
    this.#definition = { ...owner, name, ...files, ...rest };
    refuseUnlessValid(this, guestSchema, this.#definition);
    this.users = users;
    this.host = users.host;
    this.#shares = [...(rest.shares ?? [])];
    for (const share of this.#shares) this.host.claimShare(this, share);
    this.resource = new Guest(this, 'Default', {
      provider: users.host.fleet.provider,
      host: users.resource.host,
      users: users.id,
      name,
      kernel: withPathsFromHere(kernel, 'file'),
      ...(initrd === undefined ? {} : { initrd: withPathsFromHere(initrd, 'file') }),
      ...defined(rest),
    });
  }

  /**
   * Shares a directory of the host with the guest: read-only, and by the best driver that the host has, unless said otherwise. What is
   * written to has one writer on its host, unless every one of them says `writers: 'many'`.
   * @throws where that is not so, or the share cannot be
   */
  share(share: GuestShareProps): this {
    refuseUnlessValid(this, guestSchema, { ...this.#definition, shares: [...this.#shares, share] });
    this.host.claimShare(this, share);
    this.#shares.push(share);
    this.resource.putShares(this.#shares.map((one) => defined(one)));
    return this;
  }

  /** HOST/NAME, a reference. */
  get id(): string {
    return this.resource.id;
  }

  /** The name, a reference. */
  get name(): string {
    return this.resource.name;
  }

  /** The domid it holds a lease on. */
  get domid(): number {
    return this.resource.domid;
  }

  /** The user id QEMU runs as, as the host sees it. */
  get uid(): number {
    return this.resource.uid;
  }

  /** What the guest is doing: `running`, … */
  get state(): string {
    return this.resource.state;
  }

  /** What its live processes show; read after every change of the guest. */
  get evidence(): GuestEvidence {
    this.#evidence ??= new GuestEvidence(this, 'evidence', { guest: this });
    return this.#evidence;
  }
}
