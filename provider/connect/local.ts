import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { failure, type Result } from '../model/diagnostic.ts';
import { word, type ShellText } from '../model/shell.ts';
import type { Connection, ExecOptions, ExecOutput } from './connection.ts';
import { aborted } from './diagnostics.ts';
import { messageOf } from './paths.ts';
import { freshMarker, supervise, type Ending, type Running } from './supervise.ts';
import type { LocalTarget } from './target.ts';
import { endCommand, wrapCommand } from './wrap.ts';

/** This very machine: commands are children of this process, each in a process group of its own. */
export function connectLocal(target: LocalTarget): Connection {
  return new LocalConnection(target);
}

class LocalConnection implements Connection {
  readonly host: string;
  /** Nothing is connected: `connections` stays 0. */
  readonly counters = { connections: 0, commands: 0 };
  readonly #sudo: boolean;
  readonly #running = new Set<Running>();
  #closed = false;

  constructor(target: LocalTarget) {
    this.host = target.host;
    this.#sudo = target.sudo;
  }

  async exec(command: ShellText, options: ExecOptions): Promise<Result<ExecOutput>> {
    if (this.#closed || options.signal?.aborted) {
      return failure(aborted(this.host, 'The command was not started.'));
    }
    this.counters.commands++;
    const marker = freshMarker();
    const running = start(wrapCommand(command, word(marker), this.#sudo), this.#sudo);
    this.#running.add(running);
    try {
      return await supervise(running, { host: this.host, sudo: this.#sudo, marker }, options);
    } finally {
      this.#running.delete(running);
    }
  }

  /** Waits for what still runs: each command has its own time-out. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#running].map((running) => running.ended));
  }
}

function start(text: ShellText, sudo: boolean): Running {
  const child = spawn('/bin/sh', ['-c', text.text], { detached: true, stdio: 'pipe', cwd: '/' });
  return {
    stdin: child.stdin,
    stdout: child.stdout,
    stderr: child.stderr,
    ended: endOf(child),
    stop: async (pid) => {
      const ended = pid !== undefined && (await endGroup(pid, sudo));
      if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
        killGroup(child.pid);
      }
      child.stdout.destroy();
      child.stderr.destroy();
      return ended;
    },
  };
}

async function endOf(child: ChildProcessWithoutNullStreams): Promise<Ending> {
  return await new Promise((resolve) => {
    child.once('error', (error) =>
      resolve({ exitCode: undefined, signal: undefined, interrupted: messageOf(error) }),
    );
    child.once('close', (code, signal) =>
      resolve({ exitCode: code ?? undefined, signal: signal ?? undefined, interrupted: undefined }),
    );
  });
}

/** Through the same way the command took: what sudo started, only root can end. */
async function endGroup(pid: number, sudo: boolean): Promise<boolean> {
  const ender = start(wrapCommand(endCommand(pid), word(freshMarker()), sudo), sudo);
  ender.stdin.end();
  ender.stdout.resume();
  ender.stderr.resume();
  return (await ender.ended).exitCode === 0;
}

/** The group may be gone, or be root's by now. */
function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    return;
  }
}
