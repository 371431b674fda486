/** A folder with a configuration, its state and the things it makes; runs the real terraform in it. */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { platformName, sourceAddress } from '../../provider/tfplugin/packaging/address.ts';
import { renderLockFile } from '../../provider/tfplugin/packaging/lock-file.ts';
import { renderCliConfig } from '../../provider/tfplugin/packaging/mirror.ts';
import { type InstalledShelf, installedShelf, SHELF } from './installed-shelf.ts';

export interface Run {
  /** Null where a signal ended it. */
  readonly code: number | null;
  /** stdout and stderr, as they came. */
  readonly output: string;
  readonly stdout: string;
}

export interface StateResource {
  readonly mode: string;
  readonly type: string;
  readonly name: string;
  readonly instances: readonly {
    readonly schema_version: number;
    readonly status?: string;
    readonly attributes: Readonly<Record<string, unknown>>;
    readonly private?: string;
  }[];
}

export class Workspace {
  readonly folder: string;
  /** Where the provider keeps its things. */
  readonly shelf: string;
  private readonly temporary: string;
  private readonly installed: InstalledShelf;

  constructor(installed: InstalledShelf) {
    this.installed = installed;
    this.folder = mkdtempSync(path.join(tmpdir(), 'conformance-'));
    this.shelf = path.join(this.folder, 'shelf');
    this.temporary = path.join(this.folder, 'tmp');
    mkdirSync(this.temporary);
    mkdirSync(this.shelf);
    writeFileSync(path.join(this.folder, 'cli.tfrc'), renderCliConfig(installed.mirror, [SHELF]));
  }

  /** What `terraform init` would leave behind, without its second. */
  prepare(): void {
    const provider = path.join(this.folder, '.terraform/providers', sourceAddress(SHELF), SHELF.version);
    mkdirSync(provider, { recursive: true });
    symlinkSync(this.installed.folder, path.join(provider, platformName()));
    this.write('.terraform.lock.hcl', renderLockFile([{ ...SHELF, hashes: [this.installed.h1] }]));
  }

  /** Writes main.tf: the provider block, and then `body`. */
  configure(body: string): void {
    this.write(
      'main.tf',
      `terraform {\n  required_providers {\n    shelf = { source = "${sourceAddress(SHELF)}", version = "${SHELF.version}" }\n  }\n}\n` +
        `provider "shelf" {\n  root = ${JSON.stringify(this.shelf)}\n}\n${body}\n`,
    );
  }

  write(name: string, text: string): void {
    writeFileSync(path.join(this.folder, name), text);
  }

  read(name: string): string {
    return readFileSync(path.join(this.folder, name), 'utf8');
  }

  /** The provider's own record of a thing. */
  thing(name: string): Record<string, unknown> {
    return JSON.parse(readFileSync(path.join(this.shelf, `${name}.json`), 'utf8')) as Record<string, unknown>;
  }

  hasThing(name: string): boolean {
    return existsSync(path.join(this.shelf, `${name}.json`));
  }

  /** Changes a thing behind the provider's back. */
  tamper(name: string, change: Readonly<Record<string, unknown>>): void {
    writeFileSync(path.join(this.shelf, `${name}.json`), JSON.stringify({ ...this.thing(name), ...change }));
  }

  events(): string {
    const file = path.join(this.shelf, 'events.log');
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  }

  resources(): readonly StateResource[] {
    return (JSON.parse(this.read('terraform.tfstate')) as { resources: StateResource[] }).resources;
  }

  attributes(name: string): Readonly<Record<string, unknown>> {
    const found = this.resources().find((resource) => resource.name === name);
    return found?.instances[0]?.attributes ?? {};
  }

  start(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Started {
    return new Started(args, this.folder, {
      ...process.env,
      CHECKPOINT_DISABLE: '1',
      TF_IN_AUTOMATION: '1',
      TF_CLI_CONFIG_FILE: path.join(this.folder, 'cli.tfrc'),
      TMPDIR: this.temporary,
      ...environment,
    });
  }

  /** Runs terraform to its end; afterwards neither a provider process nor its socket may be left. */
  async terraform(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<Run> {
    const run = await this.start(args, environment).finished;
    await this.assertNothingLeft();
    return run;
  }

  /** `terraform apply`, which must succeed. */
  async apply(...more: readonly string[]): Promise<Run> {
    return succeeded(await this.terraform(['apply', '-no-color', '-auto-approve', ...more]));
  }

  /** `terraform plan -detailed-exitcode`: 0 nothing to do, 2 changes. */
  async plan(...more: readonly string[]): Promise<Run> {
    return this.terraform(['plan', '-no-color', '-detailed-exitcode', ...more]);
  }

  async destroy(): Promise<Run> {
    return succeeded(await this.terraform(['destroy', '-no-color', '-auto-approve']));
  }

  /** Processes carry our TMPDIR in their environment. */
  processes(): number[] {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .filter((pid) => environmentOf(pid).includes(`TMPDIR=${this.temporary}\0`))
      .map(Number);
  }

  async assertNothingLeft(): Promise<void> {
    for (let tries = 0; tries < 30 && this.processes().length > 0; tries += 1) await sleep(100);
    const sockets = readdirSync(this.temporary).filter((name) => name.startsWith('tfplugin-'));
    const left = [...this.processes().map((pid) => `process ${pid}`), ...sockets];
    if (left.length > 0) throw new Error(`left behind: ${left.join(', ')}`);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

export class Started {
  readonly child: ChildProcess;
  readonly finished: Promise<Run>;
  private text = '';

  constructor(args: readonly string[], cwd: string, env: NodeJS.ProcessEnv) {
    const child = spawn('terraform', args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    this.child = child;
    let stdout = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      stdout += chunk;
      this.text += chunk;
    });
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      this.text += chunk;
    });
    this.finished = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => resolve({ code, output: unwrapped(this.text), stdout }));
    });
  }

  /** As Ctrl-C does: to terraform and its plugins alike. */
  interrupt(): void {
    if (this.child.pid !== undefined) process.kill(-this.child.pid, 'SIGINT');
  }
}

/** Terraform wraps its messages; the tests look for whole sentences. */
function unwrapped(text: string): string {
  return text
    .split('\n')
    .map((line) => line.replace(/^[│╷╵] ?/, ''))
    .join('\n')
    .replace(/([a-z,;.:"])\n([A-Za-z"])/g, '$1 $2');
}

function environmentOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8');
  } catch {
    return '';
  }
}

function succeeded(run: Run): Run {
  if (run.code !== 0) throw new Error(`terraform ended with ${run.code}:\n${run.output}`);
  return run;
}

/** Waits for a state of affairs that is bound to come. */
export async function until(what: string, isSo: () => boolean): Promise<void> {
  for (let tries = 0; tries < 600; tries += 1) {
    if (isSo()) return;
    await sleep(50);
  }
  throw new Error(`waited 30 s in vain for ${what}`);
}

/** A new workspace for the running test, with `body` configured; removed afterwards. */
export async function workspace(body: string): Promise<Workspace> {
  const made = await uninitialised(body);
  made.prepare();
  return made;
}

export async function uninitialised(body: string): Promise<Workspace> {
  const made = new Workspace(await installedShelf());
  onTestFinished(() => made.remove());
  made.configure(body);
  return made;
}
