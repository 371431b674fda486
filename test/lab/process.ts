import { spawn, type StdioOptions } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** A process that can be told apart from a later one with the same number. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat, in clock ticks since boot. */
  readonly startTicks: string;
  readonly bootId: string;
}

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

/** `undefined` when there is no such process, or it is a zombie. */
export function identify(pid: number): ProcessIdentity | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may hold anything; the fields start after the last one.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
    return { pid, startTicks: fields[19] ?? '', bootId: bootId() };
  } catch {
    return undefined;
  }
}

export function isAlive(process: ProcessIdentity): boolean {
  const now = identify(process.pid);
  return now !== undefined && now.startTicks === process.startTicks && now.bootId === process.bootId;
}

/** Kills exactly this process; a later one with its number is left alone. */
export function killExactly(target: ProcessIdentity): void {
  if (!isAlive(target)) return;
  try {
    process.kill(target.pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

export interface CommandOutput {
  /** 128 + the signal's number, as a shell says it, when a signal ended the command. */
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly stdin?: string;
  readonly cwd?: string;
  /** Replaces the environment. */
  readonly env?: NodeJS.ProcessEnv;
  /** The command is killed after this long; its exit code is then 137. @default 600 */
  readonly timeoutSeconds?: number;
}

/** Runs a program without a shell and collects what it prints. */
export function capture(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandOutput> {
  return new Promise((resolve, reject) => {
    const stdio: StdioOptions = [options.stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'];
    const child = spawn(command, args, {
      stdio,
      cwd: options.cwd,
      env: options.env,
      timeout: (options.timeoutSeconds ?? 600) * 1000,
      killSignal: 'SIGKILL',
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout?.on('data', (piece: Buffer) => stdout.push(piece));
    child.stderr?.on('data', (piece: Buffer) => stderr.push(piece));
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(options.stdin);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      resolve({
        exitCode: code ?? 128 + (signal === 'SIGKILL' ? 9 : 15),
        stdout: Buffer.concat(stdout).toString('utf8'),
        stderr: Buffer.concat(stderr).toString('utf8'),
      });
    });
  });
}

/** Like `capture`, but throws unless the program succeeded; returns its stdout. */
export async function run(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const output = await capture(command, args, options);
  if (output.exitCode === 0) return output.stdout;
  const said = lastLines(output.stderr.trim() || output.stdout.trim(), 15);
  throw new Error(`${[command, ...args].join(' ')} failed with ${output.exitCode}: ${said}`);
}

/**
 * A command line that dies with the program that started it, whatever ends that, and that takes its children with it.
 * Mounts it makes are its own and go with it.
 */
export function leashed(command: readonly string[]): readonly [string, readonly string[]] {
  const namespaces = [
    '--mount',
    '--propagation',
    'private',
    '--pid',
    '--fork',
    '--kill-child',
    '--mount-proc',
  ];
  return ['setpriv', ['--pdeathsig', 'KILL', 'unshare', ...namespaces, '--', ...command]];
}

export function lastLines(text: string, count: number): string {
  return text.trimEnd().split('\n').slice(-count).join('\n');
}
