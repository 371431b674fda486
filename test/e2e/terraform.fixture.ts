import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { type BuiltProvider, buildProvider } from '../../scripts/build-provider.ts';
import { buildGuestImage, type GuestImage } from '../lab/guest/image.ts';
import { stillFiles } from '../lab/guest/still-files.ts';
import type { LabHost } from '../lab/lab.ts';
import type { TestHost } from '../lab/test-host.ts';
import { type CommandOutput, capture } from '../lab/process.ts';
import { Started } from './started.fixture.ts';

/** A Terraform configuration in its JSON form. */
export type Configuration = Readonly<Record<string, unknown>>;

/** One difference that a plan shows: `stockade_guest.web integrity.process: "not running" -> "ok"`. */
export type Difference = string;

export interface PlanOutcome {
  /** 0: no changes, 1: failed, 2: changes. */
  readonly exitCode: number;
  /** By address: `update`, `delete,create`, `create`, … */
  readonly actions: Readonly<Record<string, string>>;
  readonly differences: readonly Difference[];
  /** What Terraform printed, on one line each. */
  readonly output: string;
}

let building: Promise<BuiltProvider> | undefined;

/**
 * The provider as users get it: bundled, in a filesystem mirror. Built once per test process, in a mirror of its own: a build
 * elsewhere, of sources that have changed, would no longer fit the lock files of running tests.
 */
export function builtProvider(): Promise<BuiltProvider> {
  building ??= buildForTest();
  return building;
}

let mirror: string | undefined;
afterAll(() => {
  if (mirror !== undefined) rmSync(mirror, { recursive: true, force: true });
});

function buildForTest(): Promise<BuiltProvider> {
  mirror = mkdtempSync(join(tmpdir(), 'stockade-mirror-'));
  return buildProvider(mirror);
}

/** A folder with a configuration, its state, and the real terraform. */
export class Workspace {
  readonly folder: string;
  readonly #environment: NodeJS.ProcessEnv;

  private constructor(folder: string, cliConfigFile: string) {
    this.folder = folder;
    this.#environment = {
      ...process.env,
      TF_CLI_CONFIG_FILE: cliConfigFile,
      TF_IN_AUTOMATION: '1',
      CHECKPOINT_DISABLE: '1',
    };
  }

  /** `cliConfigFile`: @default one that has the built provider alone */
  static async make(configuration: Configuration, cliConfigFile?: string): Promise<Workspace> {
    const configFile = cliConfigFile ?? (await builtProvider()).cliConfigFile;
    const folder = mkdtempSync(join(tmpdir(), 'stockade-terraform-'));
    const workspace = new Workspace(folder, configFile);
    workspace.write(configuration);
    await workspace.succeed('init', '-input=false');
    return workspace;
  }

  /** Replaces the configuration. */
  write(configuration: Configuration): void {
    const whole = {
      terraform: { required_providers: { stockade: { source: 'stockade/stockade' } } },
      ...configuration,
    };
    writeFileSync(join(this.folder, 'main.tf.json'), JSON.stringify(whole, null, 2));
  }

  /** Removes the configuration. */
  clear(): void {
    rmSync(join(this.folder, 'main.tf.json'));
  }

  /** Values of the configuration's variables. */
  values(values: Configuration): void {
    writeFileSync(join(this.folder, 'terraform.tfvars.json'), JSON.stringify(values));
  }

  /** Variables of the environment may come last. */
  async terraform(...given: readonly (string | Readonly<Record<string, string>>)[]): Promise<CommandOutput> {
    const [command = '', ...rest] = given.filter((one) => typeof one === 'string');
    const extra = given.filter((one) => typeof one !== 'string');
    // `state` has subcommands, which take no such option.
    return capture('terraform', [command, ...(command === 'state' ? [] : ['-no-color']), ...rest], {
      cwd: this.folder,
      env: Object.assign({}, this.#environment, ...extra) as NodeJS.ProcessEnv,
      timeoutSeconds: 240,
    });
  }

  /** Terraform, left running. */
  start(command: string, ...args: readonly string[]): Started {
    const child = spawn('terraform', [command, '-no-color', ...args], {
      ...{ cwd: this.folder, env: this.#environment, stdio: ['ignore', 'pipe', 'pipe'] as const },
    });
    return new Started(child);
  }

  /** Like `terraform`, but throws unless it succeeded; returns what it printed. */
  async succeed(...args: readonly string[]): Promise<string> {
    const output = await this.terraform(...args);
    if (output.exitCode === 0) return output.stdout;
    throw new Error(
      `terraform ${args.join(' ')} failed with ${output.exitCode}:\n${output.stdout}${output.stderr}`,
    );
  }

  /** Like `terraform`, but throws unless it failed; returns its errors with line breaks and frames taken out. */
  async fail(...args: readonly string[]): Promise<string> {
    const output = await this.terraform(...args);
    if (output.exitCode !== 0) return flat(output.stderr + output.stdout);
    throw new Error(`terraform ${args.join(' ')} succeeded, and should not have:\n${output.stdout}`);
  }

  apply(...args: readonly string[]): Promise<string> {
    return this.succeed('apply', '-input=false', '-auto-approve', ...args);
  }

  destroy(...args: readonly string[]): Promise<string> {
    return this.succeed('destroy', '-input=false', '-auto-approve', ...args);
  }

  async plan(...args: readonly string[]): Promise<PlanOutcome> {
    const file = join(this.folder, 'plan');
    const planned = await this.terraform(
      'plan',
      '-input=false',
      '-detailed-exitcode',
      `-out=${file}`,
      ...args,
    );
    const output = flat(planned.stdout + planned.stderr);
    if (planned.exitCode === 1) return { exitCode: 1, actions: {}, differences: [], output };
    const shown = JSON.parse(await this.succeed('show', '-json', file)) as ShownPlan;
    const changes = (shown.resource_changes ?? []).filter(({ change }) => change.actions.join() !== 'no-op');
    return {
      exitCode: planned.exitCode,
      actions: Object.fromEntries(changes.map(({ address, change }) => [address, change.actions.join()])),
      differences: changes.flatMap(({ address, change }) =>
        change.actions.join() === 'update' ? differences(change).map((text) => `${address} ${text}`) : [],
      ),
      output,
    };
  }

  /** The attributes of a managed resource or data source, as the state has them. */
  async state(address: string): Promise<Readonly<Record<string, unknown>>> {
    const shown = JSON.parse(await this.succeed('show', '-json')) as ShownState;
    const found = shown.values?.root_module.resources?.find((one) => one.address === address);
    if (found === undefined) throw new Error(`${address} is not in the state`);
    return found.values;
  }

  /** Managed resources in the state. */
  async addresses(): Promise<readonly string[]> {
    const listed = await this.terraform('state', 'list');
    if (listed.exitCode !== 0 && !listed.stderr.includes('No state file was found')) {
      throw new Error(`terraform state list failed: ${listed.stderr}`);
    }
    return listed.stdout.split('\n').filter((line) => line !== '' && !line.startsWith('data.'));
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

interface ShownPlan {
  readonly resource_changes?: readonly { readonly address: string; readonly change: ShownChange }[];
}

interface ShownChange {
  readonly actions: readonly string[];
  readonly before: unknown;
  readonly after: unknown;
  readonly after_unknown: unknown;
}

interface ShownState {
  readonly values?: {
    readonly root_module: {
      readonly resources?: readonly { readonly address: string; readonly values: Record<string, unknown> }[];
    };
  };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Leaves that differ. What is not known yet says nothing of what drifted, and is left out. */
function differences({ before, after, after_unknown: unknown }: ShownChange, path = ''): readonly string[] {
  if (unknown === true) return [];
  if (isObject(before) && isObject(after)) {
    const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
    return names.flatMap((name) =>
      differences(
        {
          actions: [],
          before: before[name] ?? null,
          after: after[name] ?? null,
          after_unknown: isObject(unknown) ? unknown[name] : undefined,
        },
        path === '' ? name : `${path}.${name}`,
      ),
    );
  }
  const [was, will] = [JSON.stringify(before), JSON.stringify(after)];
  return was === will ? [] : [`${path}: ${was} -> ${will}`];
}

/** Terraform breaks lines and draws frames: a message is looked for on one line. */
export function flat(text: string): string {
  return text.replaceAll(/[│╷╵]/g, ' ').replaceAll(/\s+/g, ' ');
}

/** An inventory entry for a test host. */
export function hostEntry(host: TestHost, change: Configuration = {}): Configuration {
  return {
    address: host.address,
    port: host.port,
    user: host.user,
    host_key: host.hostPublicKeys[0],
    private_key_file: host.keyFile,
    ...change,
  };
}

export function inventory(...hosts: readonly LabHost[]): Configuration {
  return Object.fromEntries(hosts.map((host) => [host.name, hostEntry(host)]));
}

let image: Promise<GuestImage> | undefined;

/** A kernel and an initrd that boot under emulation, which takes half a minute of a processor. */
export function guestFiles(): Promise<GuestImage> {
  image ??= buildGuestImage();
  return image;
}

export interface StackOptions {
  readonly hosts: Configuration;
  readonly fleet?: string;
  readonly provider?: Configuration;
  /** Per host; @default one guest, web1 */
  readonly guests?: readonly string[];
  readonly guest?: Configuration;
  /** Guests are called HOST-GUEST in the code. @default with more than one host */
  readonly longNames?: boolean;
}

/** Per host of the inventory: the host, its users, and guests that only stand still. All refer to each other, as they should. */
export async function stack(options: StackOptions): Promise<Configuration> {
  const { hosts, fleet = 'fleet-1', provider = {}, guests = ['web1'], guest = {} } = options;
  const { kernel, initrd } = await stillFiles();
  const names = Object.keys(hosts);
  const { longNames = names.length > 1 } = options;
  return {
    provider: { stockade: { fleet, hosts, ...provider } },
    resource: {
      stockade_host: Object.fromEntries(names.map((name) => [name, { name }])),
      stockade_qemu_users: Object.fromEntries(
        names.map((name) => [name, { host: `\${stockade_host.${name}.id}`, last_domid: 16 }]),
      ),
      ...(guests.length === 0
        ? {}
        : {
            stockade_guest: Object.fromEntries(
              names.flatMap((name) =>
                guests.map((one) => [
                  longNames ? `${name}-${one}` : one,
                  {
                    host: `\${stockade_qemu_users.${name}.host}`,
                    users: `\${stockade_qemu_users.${name}.id}`,
                    name: one,
                    memory_mib: 128,
                    accelerator: 'tcg',
                    kernel: { file: kernel },
                    initrd: { file: initrd },
                    command_line: 'console=ttyS0 quiet',
                    shutdown_timeout_seconds: 0,
                    ...guest,
                  },
                ]),
              ),
            ),
          }),
    },
  };
}
