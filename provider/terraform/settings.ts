import { type FleetSpec, fleetSchema, type HostEntry, hostEntrySchema } from '../spec/fleet.ts';
import {
  isObject,
  isUnknown,
  isWhollyKnown,
  type ObjectValue,
  type PluginDiagnostic,
} from '../tfplugin/types.ts';
import { checkSpec, parseSpec, specInput } from './values.ts';

/** What the provider's configuration says about one host. */
export type HostSetting =
  | { readonly kind: 'known'; readonly entry: HostEntry }
  /** It depends on values that only Apply will know: an address, a host key, the whole inventory. */
  | { readonly kind: 'not-known-yet' }
  | { readonly kind: 'absent' };

/**
 * The provider's configuration, as far as it is known. While planning, any part of it may depend on resources that do not exist
 * yet; then only the hosts concerned are out of reach.
 */
export class Settings {
  readonly #hosts: ReadonlyMap<string, HostSetting>;

  private constructor(
    /** The owner written on hosts; `undefined` while it is not known. */
    readonly fleet: string | undefined,
    readonly unreachable: FleetSpec['unreachable'],
    readonly eventsFile: string | undefined,
    hosts: ReadonlyMap<string, HostSetting> | undefined,
  ) {
    this.#hosts = hosts ?? new Map();
    this.#inventoryKnown = hosts !== undefined;
  }

  readonly #inventoryKnown: boolean;

  /** Reads what is known, or says everything that is wrong with it. */
  static read(
    config: ObjectValue,
  ): { readonly settings: Settings } | { readonly diagnostics: readonly PluginDiagnostic[] } {
    const diagnostics = checkSpec(fleetSchema, config);
    if (diagnostics.length > 0) return { diagnostics };
    const hosts = config.hosts;
    const entries = isObject(hosts)
      ? new Map(Object.entries(hosts).map(([name, entry]) => [name, hostSetting(entry)]))
      : undefined;
    const rest = fleetSchema.omit({ hosts: true, fleet: true }).parse(
      specInput(fleetSchema.omit({ hosts: true, fleet: true }), {
        unreachable: config.unreachable ?? null,
        events_file: config.events_file ?? null,
      }),
    );
    const fleet = typeof config.fleet === 'string' ? config.fleet : undefined;
    return { settings: new Settings(fleet, rest.unreachable, rest.eventsFile, entries) };
  }

  host(name: string): HostSetting {
    if (this.fleet === undefined || !this.#inventoryKnown) return { kind: 'not-known-yet' };
    return this.#hosts.get(name) ?? { kind: 'absent' };
  }

  /** Names in the inventory, for hints. */
  get hostNames(): readonly string[] {
    return [...this.#hosts.keys()];
  }

  /** The entries known so far, for whoever has to reach a host that is no longer among them. */
  get knownEntries(): readonly HostEntry[] {
    return [...this.#hosts.values()].flatMap((host) => (host.kind === 'known' ? [host.entry] : []));
  }
}

function hostSetting(value: ObjectValue[string]): HostSetting {
  if (isUnknown(value) || !isObject(value) || !isWhollyKnown(value)) return { kind: 'not-known-yet' };
  const parsed = parseSpec(hostEntrySchema, value);
  return parsed.ok ? { kind: 'known', entry: parsed.value } : { kind: 'absent' };
}
