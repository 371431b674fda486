import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Connection, ExecOptions, ExecOutput } from '../../../provider/connect/connection.ts';
import { connectLocal } from '../../../provider/connect/local.ts';
import { bootstrapCommand } from '../../../provider/executor/bootstrap.ts';
import type { ExecutorEvent } from '../../../provider/executor/events.ts';
import type { HostRoots } from '../../../provider/model/paths.ts';
import type { ScriptSettings } from '../../../provider/executor/script.ts';
import { openHostSession, type SessionOptions } from '../../../provider/executor/session.ts';
import type { HostSession } from '../../../provider/executor/session.types.ts';
import type { Result } from '../../../provider/model/diagnostic.ts';
import type { Operation, ReadSection, Upload } from '../../../provider/model/operation.ts';
import { word, type ShellText } from '../../../provider/model/shell.ts';

export const address = { kind: 'guest', host: 'here', name: 'web1' } as const;

export function own(
  id: string,
  body: ShellText,
  more: { needs?: readonly string[]; uploads?: readonly Upload[] } = {},
): Operation {
  const { needs = [], uploads } = more;
  return { id, address, needs, step: { kind: 'own', body, ...(uploads ? { uploads } : {}) } };
}

export function together(
  id: string,
  name: string,
  body: ShellText,
  argument: string,
  needs: readonly string[] = [],
): Operation {
  return { id, address, needs, step: { kind: 'collective', name, body, argument } };
}

export function section(name: string, body: ShellText, args: readonly string[] = []): ReadSection {
  return { name, body, arguments: args };
}

/** A host's directories of a test's own: nothing of the machine's own /run is touched. */
export interface Ground {
  readonly directory: string;
  readonly roots: HostRoots;
  readonly path: (name: string) => string;
  /** The path as a shell word. */
  readonly at: (name: string) => ShellText;
}

export function makeGround(): Ground {
  const directory = mkdtempSync(join(tmpdir(), 'executor-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const path = (name: string) => join(directory, name);
  return {
    directory,
    roots: { run: path('run'), state: path('state') },
    path,
    at: (name) => word(path(name)),
  };
}

/** A session with this very machine. */
export function openHere(
  ground: Ground,
  more: Partial<SessionOptions> = {},
): { session: HostSession; events: ExecutorEvent[] } {
  const events: ExecutorEvent[] = [];
  const session = openHostSession({
    connection: connectLocal({ connection: 'local', host: 'here', sudo: false }),
    holder: 'a test',
    roots: ground.roots,
    sink: (event) => events.push(event),
    ...more,
  });
  onTestFinished(() => session.close());
  return { session, events };
}

export function must<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(JSON.stringify(result.diagnostics));
  return result.value;
}

export function codesOf(result: Result<unknown>): string[] {
  return (result.ok ? result.warnings : result.diagnostics).map(({ code }) => code);
}

export function textOf(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? []).toString('utf8');
}

export function settingsFor(ground: Ground, nonce: string): ScriptSettings {
  return {
    nonce,
    roots: ground.roots,
    holder: 'a test',
    lockWaitSeconds: 5,
    sectionLimitBytes: 1_048_576,
  };
}

/** A shell to run scripts in. busybox goes by the name it is called by. */
export function shellAt(ground: Ground, program: string): string {
  mkdirSync(ground.path('shell'), { recursive: true });
  const link = ground.path(`shell/${program.includes('busybox') ? 'ash' : 'sh'}`);
  symlinkSync(program, link);
  return link;
}

export interface Ran {
  readonly exitCode: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** Runs a script as the bootstrap would, in a shell of choice, with just these bytes on stdin. */
export function runScript(
  script: ShellText,
  stdin: Uint8Array,
  more: {
    shell?: string;
    /** Run first, in a mount namespace of the script's own. */
    unshared?: ShellText;
    /** Stop listening once the script has said that it begins. */
    goesAway?: boolean;
  } = {},
): Promise<Ran> {
  const command = bootstrapCommand(Buffer.byteLength(script.text), more.shell).text;
  const child = more.unshared
    ? spawn('unshare', ['-m', '--propagation', 'private', 'sh', '-ec', `${more.unshared.text}\n${command}`])
    : spawn('/bin/sh', ['-c', command]);
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on('data', (piece: Buffer) => {
    out.push(piece);
    if (more.goesAway && piece.includes(' begin\n')) child.stdout.destroy();
  });
  child.stderr.on('data', (piece: Buffer) => err.push(piece));
  child.stdin.on('error', () => undefined);
  child.stdin.end(stdin);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exitCode) =>
      resolve({ exitCode, stdout: Buffer.concat(out), stderr: Buffer.concat(err).toString('utf8') }),
    );
  });
}

/** Passes calls on to another connection, with a chance to look at or alter what travels. */
export class Between implements Connection {
  readonly #inner: Connection;
  readonly #exec: (
    inner: Connection,
    command: ShellText,
    options: ExecOptions,
  ) => Promise<Result<ExecOutput>>;

  constructor(
    inner: Connection,
    exec: (inner: Connection, command: ShellText, options: ExecOptions) => Promise<Result<ExecOutput>>,
  ) {
    this.#inner = inner;
    this.#exec = exec;
  }

  get host(): string {
    return this.#inner.host;
  }

  get counters(): Connection['counters'] {
    return this.#inner.counters;
  }

  exec(command: ShellText, options: ExecOptions): Promise<Result<ExecOutput>> {
    return this.#exec(this.#inner, command, options);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}
