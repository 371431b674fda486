import { Token } from 'cdktf';
import { Construct } from 'constructs';
import type { z } from 'zod';
import { type FleetInput, fleetSchema, type hostEntrySchema } from '../provider/spec/fleet.ts';
import { refuseUnlessValid } from './check.ts';
import { defined, type Described, type DescribedObject } from './described.ts';
import { CommandGate, type CommandGateProps } from './command-gate.ts';
import { withPathsFromHere } from './files.ts';
import { EvidenceGate, type EvidenceGateProps, type Gate } from './gate.ts';
import {
  StockadeProvider,
  type StockadeProviderConfig,
  type StockadeProviderHosts,
} from './generated/provider/index.ts';
import { installProviderAtSynth } from './install/at-synth.ts';

/** How one host is reached: an entry of the inventory. */
export type HostEntryProps = DescribedObject<StockadeProviderHosts, z.input<typeof hostEntrySchema>>;

/** The owner of everything made on hosts, and the inventory. */
export interface StockadeFleetProps extends Described<StockadeProviderConfig, FleetInput, 'hosts' | 'alias'> {
  /** The inventory: hosts by name. Relative paths of key files start where the app runs. */
  readonly hosts: Readonly<Record<string, HostEntryProps>>;
  /**
   * Needed only beside another fleet in the same stack.
   * @default - none
   */
  readonly alias?: string;
}

/**
 * One provider block for a whole fleet. It also puts the provider and a lock file into the stack's folder at synth, so
 * that `cdktf deploy` needs neither a registry nor flags.
 */
export class StockadeFleet extends Construct {
  /** Terraform's provider block, for what has no construct here. */
  readonly provider: StockadeProvider;
  readonly #hostNames: readonly string[];

  constructor(scope: Construct, id: string, props: StockadeFleetProps) {
    super(scope, id);
    const { alias, ...fleet } = props;
    refuseUnlessValid(this, fleetSchema, fleet);
    this.#hostNames = Object.keys(props.hosts);
    this.provider = new StockadeProvider(this, 'Default', {
      ...defined(withPathsFromHere(fleet, 'eventsFile')),
      hosts: withKeyFilesFromHere(props.hosts),
      ...(alias === undefined ? {} : { alias }),
    });
    installProviderAtSynth(this);
  }

  /** Whether the inventory has the host; `undefined` while names are known only to Terraform. */
  has(host: string): boolean | undefined {
    if (this.#hostNames.includes(host)) return true;
    return [host, ...this.#hostNames].some((name) => Token.isUnresolved(name) || name.includes('${'))
      ? undefined
      : false;
  }

  /**
   * Holds a second group of guests back until the isolation of a first one is seen to hold, or with `command` until a command of the user's
   * own has ended well: `fleet.gate('canary', { after: [canary], before: rest })`.
   */
  gate(id: string, props: CommandGateProps): CommandGate;
  gate(id: string, props: EvidenceGateProps): EvidenceGate;
  gate(id: string, props: CommandGateProps | EvidenceGateProps): Gate {
    return 'command' in props ? new CommandGate(this, id, props) : new EvidenceGate(this, id, props);
  }

  /** Names in the inventory. */
  get hostNames(): readonly string[] {
    return this.#hostNames;
  }
}

function withKeyFilesFromHere(hosts: StockadeFleetProps['hosts']) {
  return Object.fromEntries(
    Object.entries(hosts).map(([name, entry]) => [
      name,
      defined(
        withPathsFromHere(entry, 'privateKeyFile', 'knownHostsFile', 'certificateFile', 'sshConfigFile'),
      ),
    ]),
  );
}
