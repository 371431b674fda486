import type { Result } from '../model/diagnostic.ts';
import type { ShellText } from '../model/shell.ts';

export interface ExecOptions {
  /** Streamed to the command's stdin, then closed. Absent: stdin is empty. */
  readonly stdin?: AsyncIterable<Uint8Array>;
  /** The command is ended and the call fails after this long. Required: nothing waits for ever. */
  readonly timeoutSeconds: number;
  /** More than this on stdout ends the command and fails the call. */
  readonly maxStdoutBytes: number;
  /** Called with each piece of stdout as it comes, for progress; the whole is still returned. */
  readonly onStdout?: (piece: Uint8Array) => void;
  readonly signal?: AbortSignal;
}

export interface ExecOutput {
  /** `undefined` when the command was ended by a signal or the channel closed without a status. */
  readonly exitCode: number | undefined;
  readonly signal: string | undefined;
  readonly stdout: Uint8Array;
  /** The last 16 KiB. */
  readonly stderr: Uint8Array;
  /** The connection or channel went away before the command ended. */
  readonly interrupted: boolean;
}

/**
 * One host, as root. A command runs under /bin/sh as root (through `sudo -n` where the target says so), or not at all: a
 * failure says why it did not start. Quoted it may have 128 KiB; what is longer goes through stdin. Connecting happens at the first
 * `exec`; the connection is kept alive, and re-made once when it dropped while idle. Safe for concurrent use: each `exec` is
 * a channel of its own.
 */
export interface Connection {
  readonly host: string;
  exec(command: ShellText, options: ExecOptions): Promise<Result<ExecOutput>>;
  /** How many times a connection was made and how many commands were run: for benchmarks and tests. */
  readonly counters: { readonly connections: number; readonly commands: number };
  close(): Promise<void>;
}
