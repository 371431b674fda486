import { spawn } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ShellText } from '../../provider/model/shell.ts';
import { type HostLink, linkOf } from './addresses.ts';
import { bootScript } from './boot-script.ts';
import { cgroupMembers, makeCgroups } from './cgroup.ts';
import { waitForSsh } from './ready.ts';
import { type CommandOptions, type CommandOutput, capture, lastLines } from './process.ts';
import { cgroupOf, endProcesses, type RunRecord, removeInterface, runDirectory } from './run-record.ts';
import type { TestHost } from './test-host.ts';

/** A command for a host: shell text, or a program and its arguments. */
export type HostCommand = ShellText | readonly [string, ...string[]];

/** How a host is started. */
export interface BootSettings {
  /** It dies with this process. */
  readonly leashed: boolean;
  readonly diskMiB: number | undefined;
}

/** A test host: a container with its own systemd, sshd, network and root file system. */
export class LabHost implements TestHost {
  readonly name: string;
  readonly port = 22;
  readonly user = 'root';
  /** Private key of root, and of the users `operator` (sudo without a password) and `plain` (no sudo). */
  readonly keyFile: string;
  /** OpenSSH's known_hosts format, all hosts of the lab. */
  readonly knownHostsFile: string;
  readonly link: HostLink;
  /** Its files on this machine. */
  readonly directory: string;
  /** Type and key, ed25519 first. */
  readonly hostPublicKeys: readonly string[];
  readonly #cgroup: string;
  readonly #settings: BootSettings;

  constructor(record: RunRecord, index: number, settings: BootSettings) {
    const host = record.hosts[index];
    if (host === undefined) throw new Error(`lab ${record.id} has no host ${index + 1}`);
    this.name = host.name;
    this.hostPublicKeys = host.publicKeys;
    this.link = linkOf(record.slot, index);
    this.directory = join(runDirectory(record.id), 'hosts', host.name);
    this.keyFile = join(runDirectory(record.id), 'key');
    this.knownHostsFile = join(runDirectory(record.id), 'known_hosts');
    this.#cgroup = cgroupOf(record, host.name);
    this.#settings = settings;
  }

  get address(): string {
    return this.link.hostAddress;
  }

  /** The ed25519 key, type and key. */
  get hostPublicKey(): string {
    return this.hostPublicKeys[0] ?? '';
  }

  /** Starts the host and returns when it has booted and takes logins. What it wrote before a `powerOff` is still there. */
  async start(): Promise<void> {
    const console = openSync(join(this.directory, 'console.log'), 'a');
    const script = bootScript({
      directory: this.directory,
      hostName: this.name,
      link: this.link,
      machinePid: process.pid,
      cgroups: makeCgroups(this.#cgroup),
      diskMiB: this.#settings.diskMiB,
    });
    const leash = this.#settings.leashed ? ['setpriv', '--pdeathsig', 'KILL'] : [];
    const isolated = [
      'unshare',
      '--mount',
      '--net',
      '--propagation',
      'private',
      '--',
      'sh',
      '-c',
      script.text,
    ];
    const [command = '', ...args] = [...leash, ...isolated];
    const child = spawn(command, args, { detached: true, stdio: ['ignore', console, console] });
    closeSync(console);
    const failed = new Promise<never>((_, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) => {
        const said = lastLines(readFileSync(join(this.directory, 'console.log'), 'utf8'), 15);
        reject(new Error(`test host ${this.name} ended while booting (${signal ?? code}): ${said}`));
      });
    });
    child.unref();
    await Promise.race([this.#booted(), failed]);
    child.removeAllListeners();
    failed.catch(() => undefined);
  }

  async #booted(): Promise<void> {
    await waitForSsh(this.address, this.port);
    const state = await this.exec(['systemctl', 'is-system-running', '--wait']);
    if (state.exitCode === 0) return;
    const units = await this.exec(['systemctl', '--failed', '--no-legend']);
    throw new Error(`test host ${this.name} is ${state.stdout.trim()}: ${units.stdout}${state.stderr}`);
  }

  /** Its first process as this machine sees it; `undefined` while it is down. */
  get firstProcess(): number | undefined {
    return cgroupMembers(this.#cgroup, '/payload/init.scope')[0];
  }

  /** Where this machine sees a file of the running host; absolute links in it lead elsewhere. */
  pathFromHere(path: string): string {
    const first = this.firstProcess;
    if (first === undefined) throw new Error(`test host ${this.name} is down`);
    return join(`/proc/${first}/root`, path);
  }

  /** Copies a file of this machine to the running host; its directory must be there. */
  copyIn(file: string, pathOnHost: string): void {
    copyFileSync(file, this.pathFromHere(pathOnHost));
  }

  read(pathOnHost: string): Promise<Buffer> {
    return readFile(this.pathFromHere(pathOnHost));
  }

  write(pathOnHost: string, content: string | Buffer, mode = 0o644): Promise<void> {
    const file = this.pathFromHere(pathOnHost);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
    chmodSync(file, mode);
    return Promise.resolve();
  }

  get isRunning(): boolean {
    return cgroupMembers(this.#cgroup).length > 0;
  }

  /** Runs a command as root inside the host, not through ssh. */
  async exec(command: HostCommand, options: CommandOptions = {}): Promise<CommandOutput> {
    const first = this.firstProcess;
    if (first === undefined) throw new Error(`test host ${this.name} is down`);
    const argv = command instanceof ShellText ? ['sh', '-c', command.text] : command;
    const namespaces = ['--mount', '--uts', '--ipc', '--net', '--pid', '--cgroup', '--root', '--wd'];
    return capture('nsenter', ['--target', String(first), ...namespaces, '--', ...argv], {
      env: {
        PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        HOME: '/root',
        LANG: 'C.UTF-8',
      },
      ...options,
    });
  }

  /** Like `exec`, but throws unless the command succeeded; returns its stdout. */
  async run(command: HostCommand, options: CommandOptions = {}): Promise<string> {
    const output = await this.exec(command, options);
    if (output.exitCode === 0) return output.stdout;
    const text = command instanceof ShellText ? command.text : command.join(' ');
    throw new Error(`${this.name}: ${text} failed with ${output.exitCode}: ${lastLines(output.stderr, 15)}`);
  }

  /** Shuts the host down as its own `poweroff` does: services stop first. */
  async powerOff(): Promise<void> {
    await this.exec(['systemctl', 'poweroff']);
    for (let waits = 0; this.isRunning && waits < 1500; waits++) await sleep(20);
    this.cutPower();
  }

  /** Ends every process of the host at once. */
  cutPower(): void {
    endProcesses(this.#cgroup);
    removeInterface(this.link);
  }

  /** Restarts the host's systemd and all it runs; its network and files stay. Returns when it takes logins again. */
  async reboot(): Promise<void> {
    const before = this.firstProcess;
    await this.exec(['systemctl', 'reboot']);
    for (let waits = 0; this.firstProcess === before && waits < 1500; waits++) await sleep(20);
    await this.#booted();
  }
}

/** Makes the directories a host is started from. */
export function makeHostDirectory(directory: string, root: string): void {
  for (const name of ['seed', 'writable', 'root']) mkdirSync(join(directory, name), { recursive: true });
  symlinkSync(root, join(directory, 'lower'));
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
