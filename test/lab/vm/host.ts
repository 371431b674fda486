import type { ChildProcess } from 'node:child_process';
import { copyFileSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ShellText, sh, word } from '../../../provider/model/shell.ts';
import type { Progress } from '../cache.ts';
import type { HostCommand } from '../host.ts';
import { type CommandOptions, type CommandOutput, capture, lastLines } from '../process.ts';
import { waitForSsh } from '../ready.ts';
import { runDirectory } from '../run-record.ts';
import { registerRun, removeRun } from '../runs.ts';
import type { TestHost } from '../test-host.ts';
import { bootedState, type VmImage, vmImage } from './image.ts';
import type { MachineKind } from './kind.ts';
import { endMachine, endOf, freePort, patience, startMachine } from './machine.ts';
import { plainMachine } from './plain.ts';
import { sshArguments, writeKnownHosts } from './ssh.ts';

export interface VmHostOptions {
  /** @default Debian with a kernel of its own */
  readonly kind?: MachineKind;
  /** The saved state to go on from. @default the one that was saved when the image was built */
  readonly state?: string;
  /** @default says nothing */
  readonly progress?: Progress;
}

/**
 * A test host that is an emulated machine with a kernel of its own. Cgroup limits, device rules and AppArmor are enforced
 * there, as they are on real hosts and are not on container hosts.
 */
export class VmHost implements TestHost {
  readonly name: string;
  readonly address = '127.0.0.1';
  readonly user = 'root';
  readonly port: number;
  /** Private key of root. */
  readonly keyFile: string;
  readonly knownHostsFile: string;
  /** Type and key, ed25519 first. */
  readonly hostPublicKeys: readonly string[];
  /** Its files on this machine. */
  readonly directory: string;
  readonly #image: VmImage;
  #child: ChildProcess | undefined;
  readonly #remove: () => Promise<void>;

  private constructor(image: VmImage, directory: string, port: number, remove: () => Promise<void>) {
    this.name = `${image.kind.name}1`;
    this.port = port;
    this.directory = directory;
    this.keyFile = join(image.directory, 'key');
    this.hostPublicKeys = readFileSync(join(image.directory, 'host-keys'), 'utf8').trim().split('\n');
    this.knownHostsFile = writeKnownHosts(directory, port, this.hostPublicKeys);
    this.#image = image;
    this.#remove = remove;
  }

  /**
   * Starts a host and returns when it takes logins. It goes on from its saved state; where QEMU cannot, it boots, which takes
   * a minute or two. It goes away with `stop`, and with this process however that ends.
   */
  static async start(options: VmHostOptions = {}): Promise<VmHost> {
    const { kind = plainMachine, state = bootedState, progress = () => undefined } = options;
    const image = await vmImage(kind, progress);
    const record = await registerRun(kind.name, 0);
    const remove = (): Promise<void> => removeRun(record);
    try {
      const host = new VmHost(image, runDirectory(record.id), await freePort(), remove);
      try {
        host.#insertDisk();
        await host.#begin(state);
      } catch (error) {
        await host.#end();
        progress(`${host.name} cannot go on from its saved state, so it boots: ${String(error)}`);
        host.#insertDisk();
        await host.#begin(undefined);
      }
      return host;
    } catch (error) {
      await remove();
      throw error;
    }
  }

  /** Of its own, as the image has it. */
  #insertDisk(): void {
    copyFileSync(join(this.#image.directory, 'overlay.qcow2'), join(this.directory, 'overlay.qcow2'));
  }

  async #begin(state: string | undefined): Promise<void> {
    const { directory, port } = this;
    const { kind, directory: image, qemuRoot: root } = this.#image;
    this.#child = startMachine({
      kind,
      root,
      directory,
      image,
      port,
      ...(state === undefined ? {} : { state }),
    });
    await Promise.race([this.#ready(), endOf(this.#child, directory)]);
  }

  /** A clock stands still while a state is saved. */
  async #ready(): Promise<void> {
    await waitForSsh(this.address, this.port, patience);
    await this.run(['date', '--set', `@${(Date.now() / 1000).toFixed(1)}`]);
  }

  /**
   * Has the machine reboot by itself, in order and with what its disk holds by then, and returns when it takes logins again: after a
   * minute or two.
   */
  async reboot(): Promise<void> {
    const child = this.#child;
    if (child === undefined) throw new Error(`${this.name} is down`);
    const reset = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    await this.exec(['systemctl', 'reboot']);
    await withinSeconds(patience.seconds, reset, `${this.name} did not go down to reboot`);
    await this.#begin(undefined);
    await this.exec(['systemctl', 'is-system-running', '--wait']);
  }

  async #end(): Promise<void> {
    if (this.#child !== undefined) await endMachine(this.#child);
    this.#child = undefined;
  }

  /** Runs a command as root, over one ssh connection that stays. */
  exec(command: HostCommand, options: CommandOptions = {}): Promise<CommandOutput> {
    const text = command instanceof ShellText ? command.text : command.map(quoted).join(' ');
    const place = {
      keyFile: this.keyFile,
      knownHosts: this.knownHostsFile,
      port: this.port,
      controlPath: join(this.directory, 'control'),
    };
    return capture('ssh', [...sshArguments(place), text], options);
  }

  /** Like `exec`, but throws unless the command succeeded; returns its stdout. */
  async run(command: HostCommand, options: CommandOptions = {}): Promise<string> {
    const output = await this.exec(command, options);
    if (output.exitCode === 0) return output.stdout;
    const text = command instanceof ShellText ? command.text : command.join(' ');
    throw new Error(`${this.name}: ${text} failed with ${output.exitCode}: ${lastLines(output.stderr, 15)}`);
  }

  /** Copies a file of this machine to the host; its directory must be there. */
  async copyIn(file: string, pathOnHost: string): Promise<void> {
    const place = { keyFile: this.keyFile, knownHosts: this.knownHostsFile, port: this.port };
    const script = 'file=$1 to=$2; shift 2; exec ssh "$@" "cat >$to" <"$file"';
    const output = await capture('sh', [
      '-c',
      script,
      'sh',
      file,
      quoted(pathOnHost),
      ...sshArguments(place),
    ]);
    if (output.exitCode !== 0) throw new Error(`cannot copy ${file} to ${this.name}: ${output.stderr}`);
  }

  async read(pathOnHost: string): Promise<Buffer> {
    return Buffer.from(await this.run(sh`base64 -w0 ${word(pathOnHost)}`), 'base64');
  }

  async write(pathOnHost: string, content: string | Buffer, mode = 0o644): Promise<void> {
    const stdin = Buffer.from(content).toString('base64');
    const file = word(pathOnHost);
    await this.run(
      sh`mkdir -p ${word(dirname(pathOnHost))} && base64 -d >${file} && chmod ${word(mode.toString(8))} ${file}`,
      { stdin },
    );
  }

  /** Ends the machine and removes all it made. Safe to repeat. */
  async stop(): Promise<void> {
    await this.#end();
    await this.#remove();
  }
}

async function withinSeconds(seconds: number, event: Promise<void>, otherwise: string): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(otherwise)), seconds * 1000);
  });
  await Promise.race([event, late]).finally(() => clearTimeout(timer));
}

function quoted(argument: string): string {
  return `'${argument.replaceAll("'", "'\\''")}'`;
}
