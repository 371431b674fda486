import type { z } from 'zod';
import type { Address } from '../model/address.ts';
import type { Change } from '../model/change.ts';
import type { Diagnostic, Result } from '../model/diagnostic.ts';
import type { Operation } from '../model/operation.ts';
import type { HostSnapshot } from '../engine/snapshot.ts';
import type { Safety } from '../executor/halt.ts';
import type { ObjectValue, Schema } from '../tfplugin/types.ts';
import type { HostAccess } from './reach.ts';

/** What a host shows of one object. */
export interface Found {
  /** Fleets that may change it; empty where its record cannot be read. */
  readonly owners: readonly string[];
  /** As Terraform stores it. `prior` is what it had before: paths of files are taken from there. */
  readonly state: ObjectValue;
}

/** What is known when a plan is made. */
export interface Prospect {
  /** As `work` has it; `undefined` where it is to be made, and where its host was not looked at. */
  readonly change?: Change;
  /** `undefined`: the host was not looked at. */
  readonly snapshot?: HostSnapshot;
  /** As Terraform last knew it; `null`: it is to be made. */
  readonly prior: ObjectValue | null;
  readonly fleet: string;
}

/** What is to be done about an object, and what it means. */
export interface Work {
  readonly change: Change;
  readonly operations: readonly Operation[];
}

export interface Wish<S extends z.ZodObject> {
  readonly address: Address;
  readonly fleet: string;
  readonly spec: z.output<S>;
}

/**
 * What one kind of resource knows that the common life cycle (`managed.ts`) does not. Everything but `want` and `trial` is pure.
 * @typeParam D what is asked for, defaults and digests filled in
 */
export interface Kind<S extends z.ZodObject, D> {
  /** `stockade_guest` */
  readonly type: string;
  readonly spec: S;
  readonly schema: Schema;
  /** How an import names it: `HOST/NAME`. */
  readonly idForm: string;
  /** The attributes an id stands for; `undefined` where it has not that form. */
  readonly parseId: (id: string) => ObjectValue | undefined;
  /** Which object these attributes name; `undefined` while a part is not known. */
  readonly address: (values: ObjectValue) => Address | undefined;
  /** `undefined`: the host has no such object of this fleet (and none that stands in its way). */
  readonly find: (
    snapshot: HostSnapshot,
    address: Address,
    fleet: string,
    prior: ObjectValue,
  ) => Found | undefined;
  /** Joins the definition with what is on this machine (digests of files). */
  readonly want: (wish: Wish<S>, snapshot: HostSnapshot | undefined) => Promise<Result<D>>;
  /** What a known host cannot give, whatever is done on it first: errors of the plan. */
  readonly obstacles: (desired: D, snapshot: HostSnapshot) => readonly Diagnostic[];
  /** Warnings about what is made or changed, by what a known host shows. `prior`: what it was, or what it takes the place of; `null` where it is new. */
  readonly cautions?: (
    desired: D,
    snapshot: HostSnapshot,
    prior: ObjectValue | null,
  ) => readonly Diagnostic[];
  /** What would be done: with the reasons, or why it cannot be. Warnings are shown in the plan. */
  readonly work: (desired: D, snapshot: HostSnapshot) => Result<Work>;
  /** Objects of the fleet that cannot do without it. While there are any it is not taken away, and a replacement leaves it in place. */
  readonly dependents: (address: Address, fleet: string, snapshot: HostSnapshot) => readonly string[];
  /** Takes it away. Warnings say what is kept, and why. */
  readonly removal: (address: Address, fleet: string, snapshot: HostSnapshot) => Result<readonly Operation[]>;
  /**
   * What people should know before they say yes, beside what stands against a change and what it disturbs. Asked where the object
   * is made or changed, so that a plan without changes is silent. `config` may hold unknown values: what is known of it counts.
   */
  readonly remarks?: (address: Address, config: ObjectValue, prospect: Prospect) => readonly Diagnostic[];
  /** Puts what is decided before Apply into the plan. `desired` is missing while the definition is not wholly known. */
  readonly plan: (planned: ObjectValue, prior: ObjectValue | null, desired: D | undefined) => ObjectValue;
  /** QEMUs that the host has to be asked about, beside those it knows of. */
  readonly binaries?: (values: ObjectValue) => readonly string[];
  /** Directories of the host that have to be looked at before `obstacles` and `work` are asked. */
  readonly sources?: (values: ObjectValue) => readonly string[];
  /** What speaks, after an Apply that did all its steps, against calling it done; empty where all is well. */
  readonly verify: (address: Address, desired: D, snapshot: HostSnapshot) => readonly Diagnostic[];
  /** For what must not go on running whatever else went wrong. */
  readonly safety?: Safety;
  /** Tries what was made, after an Apply that all went well and where `planned` asks for it; `undefined`: nothing to try. */
  readonly trial?: (access: HostAccess, planned: ObjectValue) => Promise<Trial> | undefined;
}

/** What a trial has found. */
export interface Trial {
  /** Attributes that only it can tell. */
  readonly found: ObjectValue;
  readonly diagnostics: readonly Diagnostic[];
}
