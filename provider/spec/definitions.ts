import type { z } from 'zod';
import type { Address } from '../model/address.ts';
import type { SourcePosition } from '../model/diagnostic.ts';
import type { FleetInput, FleetSpec, hostEntrySchema } from './fleet.ts';
import type { GuestSpec, guestSchema } from './guest.ts';
import type { HostSpec, hostSchema } from './host.ts';
import type { QemuUsersSpec, qemuUsersSchema } from './qemu-users.ts';

/**
 * Everything a fleet is to be, read from files and checked: each object by the spec, and all of them against each other. Paths of files
 * on this machine start at the file that names them, so they are right wherever the program runs.
 */
export interface Definitions {
  /** Whose it is, and the inventory. */
  readonly fleet: FleetSpec;
  /** One for each host of the inventory, in its order. */
  readonly hosts: readonly HostSpec[];
  readonly users: readonly QemuUsersSpec[];
  readonly guests: readonly GuestSpec[];
  /** The same, in the same order, without the spec's own defaults: what was set. */
  readonly asWritten: WrittenDefinitions;
  /**
   * Where an object stands, or a field of it: `source(guest, ['kernel', 'file'])`. A field that is inherited stands in its profile or in the
   * defaults; one that is not there at all is looked for where its object is. The path of a diagnostic may be given as it is.
   */
  readonly source: (of: Address | 'fleet', path?: readonly (string | number)[]) => SourcePosition | undefined;
}

/** What was set, defaults and profiles of the files included. */
export interface WrittenDefinitions {
  readonly fleet: FleetInput & { readonly hosts: Readonly<Record<string, z.input<typeof hostEntrySchema>>> };
  readonly hosts: readonly z.input<typeof hostSchema>[];
  readonly users: readonly z.input<typeof qemuUsersSchema>[];
  readonly guests: readonly WrittenGuest[];
}

export type WrittenGuest = z.input<typeof guestSchema> & {
  /** Its key below `guests`: unique among all files, where names are unique only on a host. */
  readonly key: string;
};

/** The text of one file of definitions. */
export interface DefinitionText {
  /** The path as the user gave it: it shows in messages, and relative paths start at its directory. */
  readonly name: string;
  readonly text: string;
  /** What `~/` stands for at the start of paths on this machine; left out, they stay as they are. */
  readonly home?: string;
}
