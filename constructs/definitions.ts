import path from 'node:path';
import { Construct } from 'constructs';
import { loadDefinitions } from '../provider/definitions/load.ts';
import type { Diagnostic } from '../provider/model/diagnostic.ts';
import { printableLine } from '../provider/model/printable.ts';
import type { Definitions, WrittenGuest } from '../provider/spec/definitions.ts';
import type { GuestFile } from './files.ts';
import { StockadeFleet } from './fleet.ts';
import { RestrictedGuest } from './guest.ts';
import { HypervisorHost } from './host.ts';
import { literally } from './literal.ts';
import type { QemuUsers } from './users.ts';

/** A whole fleet from definitions in YAML, the very files that the command line reads. */
export class Fleet extends Construct {
  readonly fleet: StockadeFleet;
  /** By their names in the inventory. */
  readonly hosts: ReadonlyMap<string, HypervisorHost>;
  /** By `HOST/SCHEME`. */
  readonly users: ReadonlyMap<string, QemuUsers>;
  /** By their keys in the files. */
  readonly guests: ReadonlyMap<string, RestrictedGuest>;

  private constructor(scope: Construct, id: string, { asWritten }: Definitions) {
    super(scope, id);
    const written = literally(asWritten);
    const fleet = new StockadeFleet(this, 'fleet', written.fleet);
    const hosts = new Construct(this, 'hosts');
    const guests = new Construct(this, 'guests');
    this.fleet = fleet;
    this.hosts = new Map(
      written.hosts.map((host) => [host.name, new HypervisorHost(hosts, host.name, { ...host, fleet })]),
    );
    this.users = new Map(
      written.users.map(({ host, ...options }) => {
        const users = found(this.hosts, host).qemuUsers(options);
        return [`${host}/${users.scheme}`, users];
      }),
    );
    this.guests = new Map(written.guests.map((guest) => [guest.key, this.#guest(guests, guest)]));
  }

  /**
   * Makes everything that the files say. Each path is a file, or a directory of which all `*.yaml` and `*.yml` are read; a relative one starts
   * where the app runs, a relative path inside a file at that file. Text is taken as it is: what looks like a Terraform expression is none.
   * @throws with everything that is wrong, each with file, line and column
   */
  static fromYaml(scope: Construct, id: string, paths: string | readonly string[]): Fleet {
    const given = typeof paths === 'string' ? [paths] : paths;
    // Terraform runs in the stack's folder: from absolute files come absolute paths.
    const read = loadDefinitions(given.map((one) => path.resolve(one)));
    if (!read.ok) throw new Error(`the definitions are not valid:\n${read.diagnostics.map(line).join('\n')}`);
    return new Fleet(scope, id, read.value);
  }

  #guest(scope: Construct, guest: WrittenGuest): RestrictedGuest {
    const { key, host: _host, users, kernel, initrd, ...rest } = guest;
    return new RestrictedGuest(scope, key, {
      users: found(this.users, users),
      kernel: bootFile(kernel),
      ...(initrd === undefined ? {} : { initrd: bootFile(initrd) }),
      ...rest,
    });
  }
}

function bootFile({ file, hostFile }: WrittenGuest['kernel']): GuestFile {
  return file === undefined ? { hostFile: hostFile ?? '' } : { file };
}

/** The definitions were checked against each other: it is there. */
function found<Value>(map: ReadonlyMap<string, Value>, name: string): Value {
  const value = map.get(name);
  if (value === undefined) throw new Error(`there is no ${name} among ${[...map.keys()].join(', ')}`);
  return value;
}

function line({ source, summary, hint }: Diagnostic): string {
  const place =
    source === undefined ? '' : `${path.relative('', source.file)}:${source.line}:${source.column}: `;
  return printableLine(`  ${place}${summary}${hint === undefined ? '' : ` (${hint})`}`);
}
