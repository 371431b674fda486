import { Construct } from 'constructs';
import type { z } from 'zod';
import { qemuUsersSchema } from '../provider/spec/qemu-users.ts';
import { refuseUnlessValid } from './check.ts';
import { defined, type Described } from './described.ts';
import { QemuUsers as QemuUsersResource, type QemuUsersConfig } from './generated/qemu-users/index.ts';
import type { HypervisorHost } from './host.ts';

/** Which users, apart from the host they are on. */
export type QemuUsersOptions = Described<QemuUsersConfig, z.input<typeof qemuUsersSchema>, 'host'>;

export interface QemuUsersProps extends QemuUsersOptions {
  /** The host they are on. */
  readonly host: HypervisorHost;
}

/** The users guests run as: each guest gets one of its own, unless the scheme is `shared`. */
export class QemuUsers extends Construct {
  /** Terraform's resource. */
  readonly resource: QemuUsersResource;
  readonly host: HypervisorHost;
  readonly scheme: z.output<typeof qemuUsersSchema>['scheme'];

  constructor(scope: Construct, id: string, props: QemuUsersProps) {
    super(scope, id);
    const { host, ...users } = props;
    refuseUnlessValid(this, qemuUsersSchema, { host: host.name, ...users });
    this.host = host;
    this.scheme = users.scheme ?? 'per-domain';
    this.resource = new QemuUsersResource(this, 'Default', {
      provider: host.fleet.provider,
      host: host.id,
      ...defined(users),
    });
  }

  /** The id of the set, a reference: what uses it comes after the users. */
  get id(): string {
    return this.resource.id;
  }
}
