import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { stringify } from 'yaml';
import { buildCli } from '../../scripts/build-cli.ts';
import { standstillKernel } from '../lab/guest/standstill.ts';
import type { LabHost } from '../lab/lab.ts';
import { type CommandOutput, capture } from '../lab/process.ts';
import { Started } from './started.fixture.ts';

let building: Promise<string> | undefined;
const made: string[] = [];
afterAll(() => {
  for (const folder of made) rmSync(folder, { recursive: true, force: true });
});

function temporary(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `stockade-${name}-`));
  made.push(folder);
  return folder;
}

/** The program as users get it: one file. Built once per test process. */
export function builtCli(): Promise<string> {
  building ??= buildCli(join(temporary('cli-build'), 'stockade.cjs'));
  return building;
}

/** A part of definitions, to be written as YAML. */
export type Definition = Readonly<Record<string, unknown>>;

/** An empty folder, and the real program in it. */
export class Folder {
  readonly path = temporary('cli');
  readonly #program: string;

  private constructor(program: string) {
    this.#program = program;
  }

  static async make(): Promise<Folder> {
    const folder = new Folder(await builtCli());
    folder.placeKernel();
    return folder;
  }

  /** The kernel that guests of these tests boot, as it should be. */
  placeKernel(): void {
    writeFileSync(join(this.path, 'still'), standstillKernel());
  }

  write(file: string, content: string | Definition): void {
    writeFileSync(join(this.path, file), typeof content === 'string' ? content : stringify(content));
  }

  read(file: string): string {
    return readFileSync(join(this.path, file), 'utf8');
  }

  run(...args: readonly string[]): Promise<CommandOutput> {
    return capture(process.execPath, [this.#program, ...args], {
      ...{ cwd: this.path, env: this.#environment, timeoutSeconds: 240 },
    });
  }

  /** On a terminal of its own, where somebody types these lines. What it printed comes back as it was. */
  typing(lines: string, ...args: readonly string[]): Promise<CommandOutput> {
    const words = [process.execPath, this.#program, ...args].map((word) => `'${word}'`).join(' ');
    return capture('script', ['--quiet', '--return', '--command', words, '/dev/null'], {
      ...{ cwd: this.path, env: { ...this.#environment, TERM: 'xterm' }, stdin: lines, timeoutSeconds: 240 },
    });
  }

  /** Started and left running. */
  start(...args: readonly string[]): Started {
    const child = spawn(process.execPath, [this.#program, ...args], {
      ...{ cwd: this.path, env: this.#environment, stdio: ['ignore', 'pipe', 'pipe'] as const },
    });
    return new Started(child);
  }

  /** Throws unless it ended with 0; returns what it printed. */
  async succeed(...args: readonly string[]): Promise<string> {
    const output = await this.run(...args);
    if (output.exitCode === 0) return output.stdout;
    throw new Error(
      `stockade ${args.join(' ')} ended with ${output.exitCode}:\n${output.stdout}${output.stderr}`,
    );
  }

  /** Throws unless it failed; returns what it said about that. */
  async fail(...args: readonly string[]): Promise<string> {
    const output = await this.run(...args);
    if (output.exitCode === 1) return output.stderr;
    throw new Error(
      `stockade ${args.join(' ')} ended with ${output.exitCode}:\n${output.stdout}${output.stderr}`,
    );
  }

  get #environment(): NodeJS.ProcessEnv {
    return { PATH: process.env['PATH'], HOME: this.path };
  }
}

export function hostDefinition(host: LabHost): Definition {
  return {
    address: host.address,
    port: host.port,
    user: host.user,
    hostKey: host.hostPublicKey,
    privateKeyFile: host.keyFile,
  };
}

/** A guest whose processor stands still. */
export function stillGuest(host: string, change: Definition = {}): Definition {
  return {
    ...{ host, memoryMib: 64, accelerator: 'tcg', kernel: { file: 'still' }, shutdownTimeoutSeconds: 0 },
    ...change,
  };
}

export interface FleetDefinition {
  readonly fleet?: string;
  readonly hosts: readonly LabHost[];
  readonly guests: Readonly<Record<string, Definition>>;
}

export function fleetDefinition({ fleet = 'fleet-1', hosts, guests }: FleetDefinition): Definition {
  return {
    fleet,
    hosts: Object.fromEntries(hosts.map((host) => [host.name, hostDefinition(host)])),
    users: hosts.map(({ name }) => ({ host: name, lastDomid: 16 })),
    guests,
  };
}
