import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, connect, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { systemClock } from '../../provider/model/clock.ts';
import type { Diagnostic, Result } from '../../provider/model/diagnostic.ts';
import type { Connection, ExecOptions, ExecOutput } from '../../provider/connect/connection.ts';
import { hostRoot } from '../lab/root.ts';
import { openConnection } from '../../provider/connect/open.ts';
import type { OpensshTarget, SshTarget } from '../../provider/connect/target.ts';

export type KeyKind = 'ed25519' | 'rsa' | 'ecdsa';

/** The ways to a host over SSH: whatever one does, the other does too. */
export const kinds = ['ssh2', 'openssh'] as const;
export type Kind = (typeof kinds)[number];

/** The same host by one of the ways, with nothing of this machine's own ssh configuration. */
export function by(kind: Kind, target: SshTarget): SshTarget | OpensshTarget {
  return kind === 'ssh2' ? target : { ...target, connection: 'openssh', configFile: emptyFile() };
}

let empty: string | undefined;
afterAll(() => {
  if (empty !== undefined) rmSync(empty, { recursive: true, force: true });
});

function emptyFile(): string {
  empty ??= mkdtempSync(join(tmpdir(), 'stockade-empty-'));
  writeFileSync(join(empty, 'ssh_config'), '');
  return join(empty, 'ssh_config');
}

/** A real OpenSSH server of our own on 127.0.0.1, with its own keys, in a directory that goes with it. */
export class Sshd {
  readonly directory: string;
  readonly port: number;
  readonly #daemon: ChildProcess;

  private constructor(directory: string, port: number, daemon: ChildProcess) {
    this.directory = directory;
    this.port = port;
    this.#daemon = daemon;
  }

  /** `config`: more lines, or what makes them once the keys are in the directory. */
  static async start(
    hostKeys: readonly KeyKind[],
    config: readonly string[] | ((directory: string) => readonly string[]) = [],
    environment = '',
  ): Promise<Sshd> {
    const directory = mkdtempSync(join(tmpdir(), 'stockade-sshd-'));
    for (const kind of hostKeys) makeKey(join(directory, `host_${kind}`), kind);
    makeKey(join(directory, 'client'), 'ed25519');
    writeFileSync(join(directory, 'authorized_keys'), readFileSync(join(directory, 'client.pub')));
    const port = await freePort();
    const lines = [
      'ListenAddress 127.0.0.1',
      `Port ${port}`,
      ...hostKeys.map((kind) => `HostKey ${join(directory, `host_${kind}`)}`),
      `AuthorizedKeysFile ${join(directory, 'authorized_keys')}`,
      `PidFile ${join(directory, 'pid')}`,
      'StrictModes no',
      'UsePAM no',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'PermitRootLogin prohibit-password',
      // The login shell's start-up files of whoever runs the tests are no part of them. (Only the first SetEnv counts.)
      `SetEnv HOME=${directory} ${environment}`,
      ...(typeof config === 'function' ? config(directory) : config),
      // the first counts
      'LogLevel VERBOSE',
    ];
    writeFileSync(join(directory, 'config'), `${lines.join('\n')}\n`);
    const log = join(directory, 'log');
    const [command, args] = await serverCommand(directory);
    const daemon = spawn(command, [...args, '-r', '-D', '-E', log, '-f', join(directory, 'config')], {
      stdio: 'ignore',
    });
    for (let turn = 0; !(await accepts(port)); turn++) {
      if (turn > 200 || daemon.exitCode !== null)
        throw new Error(`sshd did not start: ${readFileSync(log, 'utf8')}`);
      await sleep(25);
    }
    return new Sshd(directory, port, daemon);
  }

  /** `TYPE BASE64` of one of its host keys. */
  publicKey(kind: KeyKind): string {
    return readFileSync(join(this.directory, `host_${kind}.pub`), 'utf8')
      .split(' ')
      .slice(0, 2)
      .join(' ');
  }

  get clientKey(): string {
    return join(this.directory, 'client');
  }

  log(): string {
    return readFileSync(join(this.directory, 'log'), 'utf8');
  }

  /** The processes that serve one connection each. */
  sessions(): number[] {
    return childrenOf(this.#daemon.pid ?? -1);
  }

  /** Writes a file into the server's directory and gives its path. */
  file(name: string, text: string, mode = 0o600): string {
    const path = join(this.directory, name);
    writeFileSync(path, text, { mode });
    return path;
  }

  target(changes: Partial<SshTarget> = {}): SshTarget {
    const kind = (['ed25519', 'ecdsa', 'rsa'] as const).find((one) =>
      readdirSync(this.directory).includes(`host_${one}`),
    );
    return {
      connection: 'ssh2',
      host: 'hv1',
      address: '127.0.0.1',
      port: this.port,
      user: 'root',
      trust: { kind: 'pinned', publicKeys: [this.publicKey(kind ?? 'ed25519')] },
      identities: [{ kind: 'key-file', path: this.clientKey }],
      sudo: false,
      connectTimeoutSeconds: 10,
      ...changes,
    };
  }

  /** The same by the ssh program. */
  opensshTarget(changes: Partial<OpensshTarget> = {}): OpensshTarget {
    return { ...this.target(), connection: 'openssh', configFile: emptyFile(), ...changes };
  }

  async stop(): Promise<void> {
    const sessions = this.sessions();
    const ended = new Promise((resolve) => this.#daemon.once('exit', resolve));
    this.#daemon.kill('SIGTERM');
    await ended;
    for (const pid of sessions) endProcess(pid);
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export function makeKey(path: string, kind: KeyKind, passphrase = ''): void {
  execFileSync('ssh-keygen', ['-q', '-t', kind, '-N', passphrase, '-C', 'test', '-f', path]);
}

/** An ssh-agent without keys, once it listens; whoever started it ends it. */
export async function startAgent(socket: string): Promise<ChildProcess> {
  const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' });
  for (let turn = 0; !existsSync(socket); turn++) {
    if (turn > 400 || agent.exitCode !== null) throw new Error('the agent did not start');
    await sleep(25);
  }
  return agent;
}

export function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

export function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && parentOf(name) === pid)
    .map(Number);
}

function parentOf(pid: string): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return undefined;
  }
}

export function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat[stat.lastIndexOf(')') + 2] !== 'Z';
  } catch {
    return false;
  }
}

export function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    return;
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

async function accepts(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

/** A listener that does with each connection what it is told to. */
export class Listener {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets: Set<Socket>;

  private constructor(port: number, server: Server, sockets: Set<Socket>) {
    this.port = port;
    this.#server = server;
    this.#sockets = sockets;
  }

  static async start(onConnection: (socket: Socket) => void): Promise<Listener> {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
      onConnection(socket);
    });
    return new Listener(await listen(server), server, sockets);
  }

  /** A listener in front of a server; `stall` keeps bytes back from then on, `reset` drops what stands. */
  static async inFrontOf(port: number): Promise<Listener & { stall(): void; connections(): number }> {
    let count = 0;
    const pairs: [Socket, Socket][] = [];
    const listener = await Listener.start((client) => {
      count++;
      const upstream = connect(port, '127.0.0.1').on('error', () => undefined);
      client.pipe(upstream).pipe(client);
      client.on('close', () => upstream.destroy());
      pairs.push([client, upstream]);
    });
    return Object.assign(listener, {
      connections: () => count,
      stall: () => {
        for (const [client, upstream] of pairs.splice(0)) {
          client.unpipe(upstream).resume();
          upstream.unpipe(client).resume();
        }
      },
    });
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

const opened: Connection[] = [];

export function open(target: Parameters<typeof openConnection>[0]): Connection {
  const connection = openConnection(target, { clock: systemClock });
  opened.push(connection);
  return connection;
}

export async function closeAll(): Promise<void> {
  await Promise.all(opened.splice(0).map((connection) => connection.close()));
}

export const limits: ExecOptions = { timeoutSeconds: 30, maxStdoutBytes: 1024 * 1024 };

export function succeeded(result: Result<ExecOutput>): ExecOutput {
  if (!result.ok) throw new Error(JSON.stringify(result.diagnostics, undefined, 2));
  return result.value;
}

export function failed(result: Result<unknown>): Diagnostic {
  if (result.ok) throw new Error('this should have failed');
  const [first] = result.diagnostics;
  if (first === undefined) throw new Error('a failure without a reason');
  return first;
}

export function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('utf8');
}

/**
 * The test hosts' sshd, so that this machine needs none of its own (a package of it would start one). It runs with its own
 * libraries, and in a mount namespace where its unprivileged user and its directory exist.
 */
async function serverCommand(directory: string): Promise<readonly [string, readonly string[]]> {
  const root = await hostRoot(() => undefined);
  const libraries = `${root}/usr/lib/x86_64-linux-gnu`;
  const passwd = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('sshd:'));
  writeFileSync(
    join(directory, 'passwd'),
    [...passwd, 'sshd:x:64999:65534::/run/sshd:/usr/sbin/nologin', ''].join('\n'),
  );
  const script = `mount --bind "$0/passwd" /etc/passwd
mount -t tmpfs -o mode=755 sshd /run
mkdir /run/sshd
exec "$@"`;
  const sshd = [`${libraries}/ld-linux-x86-64.so.2`, '--library-path', libraries, `${root}/usr/sbin/sshd`];
  return ['unshare', ['--mount', '--propagation', 'private', 'sh', '-euc', script, directory, ...sshd]];
}
