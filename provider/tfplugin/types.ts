/**
 * What a Terraform provider implements. The server (`serve`) turns the plugin protocol into calls of these; nothing
 * here knows the wire. Every method may throw: an exception becomes an error diagnostic without a stack
 * trace (the stack goes to the log at debug). Expected failures are returned as diagnostics.
 */
import type { AttributePath, PluginDiagnostic } from './diagnostics.ts';
import type { JsonValue } from './json.ts';
import type { AttributeType, Schema } from './schema.ts';
import type { ObjectValue, TerraformValue } from './values.ts';

export type { AttributePath, PluginDiagnostic } from './diagnostics.ts';
export type { JsonValue } from './json.ts';
export * from './schema.ts';
export * from './values.ts';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error';

/** Structured lines for `TF_LOG`; on stderr, never on stdout. Fields must be JSON values; secrets never belong here. */
export type Logger = {
  readonly [level in LogLevel]: (message: string, fields?: Readonly<Record<string, unknown>>) => void;
};

export interface CallContext {
  /** Aborted when the user interrupts Terraform; the call should then finish soon and return the state reached. */
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** Known once the provider is configured. */
  readonly terraformVersion: string | undefined;
}

/** Kept with a resource's state and never shown or diffed; any JSON object (plain numbers). Not encrypted: no secrets. */
export type PrivateState = Readonly<Record<string, JsonValue>>;

interface WithDiagnostics {
  readonly diagnostics?: readonly PluginDiagnostic[];
}

export interface ConfigureRequest {
  /** May hold unknown values while planning. */
  readonly config: ObjectValue;
  readonly terraformVersion: string;
}

export interface ValidateRequest {
  /** May hold unknown values. */
  readonly config: ObjectValue;
}

export interface ReadRequest {
  readonly state: ObjectValue;
  readonly privateState: PrivateState;
  /** The module's `provider_meta` block; null without one. */
  readonly providerMeta: ObjectValue | null;
}

export interface ReadResponse extends WithDiagnostics {
  /** What is there now; null where the object is gone. On error, the prior state is kept whatever stands here. */
  readonly state: ObjectValue | null;
  /** Default: as it was. */
  readonly privateState?: PrivateState;
}

export interface PlanRequest {
  readonly action: 'create' | 'update';
  /** Null on create. */
  readonly prior: ObjectValue | null;
  readonly config: ObjectValue;
  /** Terraform's own merge of prior and configuration. */
  readonly proposed: ObjectValue;
  /**
   * What the engine made of it: defaults in place, computed values unknown where anything differs, those with
   * `keepWhenUpdated` kept, write-only ones null.
   */
  readonly planned: ObjectValue;
  /** Paths the schema's `requiresReplace` already named. */
  readonly requiresReplace: readonly AttributePath[];
  readonly privateState: PrivateState;
  readonly providerMeta: ObjectValue | null;
  /**
   * The engine's rule once more, as if something differed: computed values that are neither configured, defaulted
   * nor kept become unknown. For a hook that found a difference of its own (drift) the engine could not see.
   */
  readonly withComputedUnknown: (planned: ObjectValue) => ObjectValue;
}

export interface PlanResponse extends WithDiagnostics {
  /**
   * The resource's last word; default `request.planned`. Configured values must stay as configured. A computed
   * attribute may be planned with a known value that differs from the prior one: that is how drift shows.
   */
  readonly planned?: ObjectValue;
  /** All paths that force a replacement; default: what the schema says of `planned`. Ignored on create. */
  readonly requiresReplace?: readonly AttributePath[];
  /** Handed to create, update; default: as it was. */
  readonly privateState?: PrivateState;
}

export interface PlanDeleteRequest {
  readonly prior: ObjectValue;
  readonly privateState: PrivateState;
  readonly providerMeta: ObjectValue | null;
}

export interface PlanDeleteResponse extends WithDiagnostics {
  readonly privateState?: PrivateState;
}

export interface CreateRequest {
  /** Unknown values are those Apply has to find out. */
  readonly planned: ObjectValue;
  /** The only place where write-only values are. */
  readonly config: ObjectValue;
  /** What plan returned. */
  readonly privateState: PrivateState;
  readonly providerMeta: ObjectValue | null;
}

export interface UpdateRequest extends CreateRequest {
  readonly prior: ObjectValue;
}

export interface DeleteRequest {
  readonly prior: ObjectValue;
  readonly privateState: PrivateState;
  readonly providerMeta: ObjectValue | null;
}

/**
 * After create: the new state, or null beside an error where nothing was made; a state beside an error is kept
 * and tainted, so that the next plan replaces it. After update: the new state; with an error, the state reached.
 * What is still unknown in a state returned beside an error becomes null.
 */
export interface ApplyResponse extends WithDiagnostics {
  readonly state: ObjectValue | null;
  /** Default: as planned. */
  readonly privateState?: PrivateState;
}

/** Without errors the object is gone. With errors it stays in the state, as `state` or else as it was. */
export interface DeleteResponse extends WithDiagnostics {
  readonly state?: ObjectValue;
  readonly privateState?: PrivateState;
}

export interface ImportRequest {
  readonly id: string;
}

/** Terraform reads each imported object right afterwards: attributes not known yet may be left out (null). */
export interface ImportResponse extends WithDiagnostics {
  /** None beside an error. `type` defaults to the resource's own. */
  readonly imported: readonly {
    readonly type?: string;
    readonly state: ObjectValue;
    readonly privateState?: PrivateState;
  }[];
}

export interface UpgradeRequest {
  /** The version the state was written with; always below the schema's. */
  readonly version: number;
  /** The stored state, numbers kept exactly. */
  readonly state: JsonValue;
}

/** A state of the present schema; attributes left out are null. */
export interface UpgradeResponse extends WithDiagnostics {
  readonly state: ObjectValue | null;
}

export interface MoveRequest {
  /** Full address: `registry.terraform.io/hashicorp/null`. */
  readonly sourceProvider: string;
  readonly sourceType: string;
  readonly sourceVersion: number;
  readonly sourceState: JsonValue;
  /** Empty where the source's private state is not a JSON object. */
  readonly sourcePrivateState: PrivateState;
}

/** `undefined`: this source cannot be moved here (the server says so to the user). */
export type MoveResponse =
  | (WithDiagnostics & { readonly state: ObjectValue | null; readonly privateState?: PrivateState })
  | undefined;

/** A thing Terraform creates, reads, changes and destroys. */
export interface ManagedResource {
  readonly schema: Schema;
  /** Cross-attribute checks; the schema's own checks ran before. */
  validate?(request: ValidateRequest, context: CallContext): Promise<readonly PluginDiagnostic[]>;
  /** Only for states of a lower schema version; without it such a state is an error. */
  upgrade?(request: UpgradeRequest, context: CallContext): Promise<UpgradeResponse>;
  /** Default: the prior state. */
  read?(request: ReadRequest, context: CallContext): Promise<ReadResponse>;
  /** The hook after the engine's plan, on create and update. */
  plan?(request: PlanRequest, context: CallContext): Promise<PlanResponse>;
  planDelete?(request: PlanDeleteRequest, context: CallContext): Promise<PlanDeleteResponse>;
  create(request: CreateRequest, context: CallContext): Promise<ApplyResponse>;
  /** Without it a change in place is an error: mark every attribute `requiresReplace`. */
  update?(request: UpdateRequest, context: CallContext): Promise<ApplyResponse>;
  delete(request: DeleteRequest, context: CallContext): Promise<DeleteResponse>;
  importState?(request: ImportRequest, context: CallContext): Promise<ImportResponse>;
  /** For `moved` blocks from another resource type, also of another provider. */
  moveState?(request: MoveRequest, context: CallContext): Promise<MoveResponse>;
}

export interface DataSource {
  readonly schema: Schema;
  validate?(request: ValidateRequest, context: CallContext): Promise<readonly PluginDiagnostic[]>;
  /** The configuration is wholly known here. */
  read(
    request: { readonly config: ObjectValue; readonly providerMeta: ObjectValue | null },
    context: CallContext,
  ): Promise<ReadResponse>;
}

export interface EphemeralOpenResponse extends WithDiagnostics {
  readonly result: ObjectValue;
  /** When to call `renew`. */
  readonly renewAt?: Date;
  /** Handed to `renew` and `close`; lives only as long as the run. */
  readonly privateState?: PrivateState;
}

export interface EphemeralRenewResponse extends WithDiagnostics {
  readonly renewAt?: Date;
  readonly privateState?: PrivateState;
}

/** A value that lives for one run and is stored nowhere. */
export interface EphemeralResource {
  readonly schema: Schema;
  validate?(request: ValidateRequest, context: CallContext): Promise<readonly PluginDiagnostic[]>;
  open(request: { readonly config: ObjectValue }, context: CallContext): Promise<EphemeralOpenResponse>;
  renew?(
    request: { readonly privateState: PrivateState },
    context: CallContext,
  ): Promise<EphemeralRenewResponse>;
  close?(
    request: { readonly privateState: PrivateState },
    context: CallContext,
  ): Promise<readonly PluginDiagnostic[]>;
}

export interface FunctionParameter {
  readonly name: string;
  readonly type: AttributeType;
  readonly description?: string;
  /** Default: a null argument is an error of the caller. */
  readonly allowNull?: boolean;
  /** Default: with an unknown argument the result is unknown and the function is not called. */
  readonly allowUnknown?: boolean;
}

/** A pure function of its arguments; it may be called before the provider is configured. */
export interface ProviderFunction {
  readonly summary: string;
  readonly description?: string;
  readonly deprecated?: string;
  readonly parameters: readonly FunctionParameter[];
  readonly variadicParameter?: FunctionParameter;
  readonly returns: AttributeType;
  /** Throw `FunctionFailure` to blame an argument. */
  call(args: readonly TerraformValue[], context: CallContext): Promise<TerraformValue>;
}

/** An expected failure of a provider function. */
export class FunctionFailure extends Error {
  override readonly name = 'FunctionFailure';
  /** @param argument index of the argument to blame, from 0 */
  constructor(
    message: string,
    readonly argument?: number,
  ) {
    super(message);
  }
}

/** A whole provider. Resource names are full type names: `stockade_guest`. */
export interface Provider {
  readonly schema: Schema;
  readonly metaSchema?: Schema;
  validateConfig?(request: ValidateRequest, context: CallContext): Promise<readonly PluginDiagnostic[]>;
  configure?(request: ConfigureRequest, context: CallContext): Promise<readonly PluginDiagnostic[]>;
  readonly resources?: Readonly<Record<string, ManagedResource>>;
  readonly dataSources?: Readonly<Record<string, DataSource>>;
  readonly ephemeralResources?: Readonly<Record<string, EphemeralResource>>;
  /** By short name: `provider::NAME::short_name(…)`. */
  readonly functions?: Readonly<Record<string, ProviderFunction>>;
  /** After the signals were aborted; it need not wait for the running calls. */
  stop?(): Promise<void>;
}
