import { expect } from 'vitest';
import { openConnection } from '../../provider/connect/open.ts';
import { openHostSession } from '../../provider/executor/session.ts';
import type { HostSession } from '../../provider/executor/session.types.ts';
import { systemClock } from '../../provider/model/clock.ts';
import type { Diagnostic, Result } from '../../provider/model/diagnostic.ts';
import type { Operation, OperationResult } from '../../provider/model/operation.ts';
import type { Toolstack } from '../../provider/model/toolstack.ts';
import { hostObstacles } from '../../provider/resources/host/checks.ts';
import { type HostDesired, hostDesired } from '../../provider/resources/host/desired.ts';
import { hostDiff } from '../../provider/resources/host/diff.ts';
import { type HostFacts, hostSection, hostSectionName } from '../../provider/resources/host/facts.ts';
import { parseHost } from '../../provider/resources/host/facts-parse.ts';
import { hostOperations, hostRemoval } from '../../provider/resources/host/operations.ts';
import { qemuUsersObstacles } from '../../provider/resources/qemu-users/checks.ts';
import { type QemuUsersDesired, qemuUsersDesired } from '../../provider/resources/qemu-users/desired.ts';
import { qemuUsersDiff } from '../../provider/resources/qemu-users/diff.ts';
import {
  parseQemuUsers,
  type QemuUsersFacts,
  qemuUsersSection,
  qemuUsersSectionName,
} from '../../provider/resources/qemu-users/facts.ts';
import { qemuUsersOperations, qemuUsersRemoval } from '../../provider/resources/qemu-users/operations.ts';
import { resolveIds } from '../../provider/resources/qemu-users/uid-base.ts';
import { qemuUsersSchema, type UserScheme } from '../../provider/spec/qemu-users.ts';
import type { TestHost } from '../lab/test-host.ts';

export interface Seen {
  readonly host: HostFacts;
  readonly users: ReadonlyMap<UserScheme, QemuUsersFacts>;
}

/** One fleet at work on one test host, through the real connection and executor. */
export class Preparation {
  readonly session: HostSession;
  readonly fleet: string;
  readonly #host: string;
  readonly #toolstack: Toolstack;

  constructor(host: TestHost, fleet = 'test', toolstack: Toolstack = 'qemu') {
    this.fleet = fleet;
    this.#toolstack = toolstack;
    this.#host = host.name;
    const connection = openConnection(
      {
        connection: 'ssh2',
        host: host.name,
        address: host.address,
        port: host.port,
        user: host.user,
        trust: { kind: 'known-hosts', files: [host.knownHostsFile] },
        identities: [{ kind: 'key-file', path: host.keyFile }],
        sudo: false,
        connectTimeoutSeconds: 15,
      },
      { clock: systemClock },
    );
    this.session = openHostSession({ connection, holder: `fleet ${fleet}` });
  }

  async see(binaries: readonly string[] = []): Promise<Seen> {
    const read = value(await this.session.read([hostSection(undefined, binaries), qemuUsersSection()]));
    return {
      host: value(parseHost(read.get(hostSectionName) ?? new Uint8Array())),
      users: value(parseQemuUsers(read.get(qemuUsersSectionName) ?? new Uint8Array())),
    };
  }

  async run(operations: readonly Operation[]): Promise<readonly OperationResult[]> {
    return value(await this.session.write(operations)).results;
  }

  wishHost(qemuBinary?: string): HostDesired {
    return hostDesired({ name: this.#host, qemuBinary, toolstack: this.#toolstack }, this.fleet);
  }

  wishUsers(spec: Partial<Omit<QemuUsersDesired, 'host' | 'fleet'>> = {}): QemuUsersDesired {
    return qemuUsersDesired(qemuUsersSchema.parse({ host: this.#host, ...spec }), this.fleet);
  }

  /** Plans and applies; what speaks against it is found on the way and is an error. */
  async prepare(qemuBinary?: string): Promise<readonly OperationResult[]> {
    const { host } = await this.see(qemuBinary === undefined ? [] : [qemuBinary]);
    const desired = this.wishHost(qemuBinary);
    expect(hostObstacles(desired, host)).toEqual([]);
    return this.run(hostOperations({ change: hostDiff(desired, host), desired, facts: host }));
  }

  async unprepare(): Promise<readonly OperationResult[]> {
    return this.run(hostRemoval({ host: this.#host }, this.fleet, 'any'));
  }

  async obstacles(desired: QemuUsersDesired): Promise<readonly Diagnostic[]> {
    const facts = usersOf(await this.see(), desired.scheme);
    return qemuUsersObstacles(desired, value(resolveIds(desired, facts)), facts);
  }

  async makeUsers(spec: Parameters<Preparation['wishUsers']>[0] = {}): Promise<readonly OperationResult[]> {
    const desired = this.wishUsers(spec);
    const facts = usersOf(await this.see(), desired.scheme);
    const ids = value(resolveIds(desired, facts));
    const change = qemuUsersDiff(desired, ids, facts);
    return this.run(qemuUsersOperations({ change, desired, ids, facts }));
  }

  async removeUsers(scheme: UserScheme = 'per-domain'): Promise<readonly OperationResult[]> {
    return this.run(qemuUsersRemoval({ host: this.#host, scheme }, this.fleet, 'any'));
  }
}

export function usersOf(seen: Seen, scheme: UserScheme): QemuUsersFacts {
  const facts = seen.users.get(scheme);
  if (facts === undefined) throw new Error(`no facts of scheme ${scheme}`);
  return facts;
}

export function value<T>(result: Result<T>): T {
  if (!result.ok)
    throw new Error(result.diagnostics.map(({ code, summary }) => `${code}: ${summary}`).join('; '));
  return result.value;
}

/** `status id` of each, with code and message of what did not go well. */
export function ends(results: readonly OperationResult[]): readonly string[] {
  return results.map(({ id, status, code, message }) =>
    code === undefined ? `${status} ${id}` : `${status} ${id}: ${code}: ${message ?? ''}`,
  );
}
