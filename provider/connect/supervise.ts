import { randomBytes } from 'node:crypto';
import type { Readable, Writable } from 'node:stream';
import { failure, success, type Diagnostic, type Result } from '../model/diagnostic.ts';
import type { ExecOptions, ExecOutput } from './connection.ts';
import {
  aborted,
  commandTimeout,
  connectionLost,
  inputFailed,
  notRoot,
  notStarted,
  outputTooLarge,
} from './diagnostics.ts';
import { Output } from './output.ts';
import { messageOf } from './paths.ts';

/** A command that runs somewhere: over a channel or as a child of this process. */
export interface Running {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Settles once, when the command is gone and all its output was read. */
  readonly ended: Promise<Ending>;
  /** Ends it by force and lets go of it; `pid` as announced, if it was. `true`: nothing of its process group is left. */
  stop(pid: number | undefined): Promise<boolean>;
}

export interface Ending {
  readonly exitCode: number | undefined;
  readonly signal: string | undefined;
  /** Why the end is not the command's own, if it is not. */
  readonly interrupted: string | undefined;
}

/** Who is asked to run what; see wrap.ts for the marker. */
export interface CallContext {
  readonly host: string;
  readonly sudo: boolean;
  readonly marker: string;
}

/** Why we end a command before its time. */
type Cut =
  | { readonly kind: 'timeout' }
  | { readonly kind: 'aborted' }
  | { readonly kind: 'too-large' }
  | { readonly kind: 'input'; readonly reason: string };

/** Node runs longer timers at once. */
const longestTimer = 2 ** 31 - 1;

/** A word no command output holds by chance, and no guest can guess. */
export function freshMarker(): string {
  return `stockade-${randomBytes(16).toString('hex')}`;
}

/** Feeds a running command, collects what it says within the bounds asked for, and ends it when it must end. */
export async function supervise(
  running: Running,
  context: CallContext,
  options: ExecOptions,
): Promise<Result<ExecOutput>> {
  const output = new Output(context.marker, options.maxStdoutBytes);
  let cutShort: (cut: Cut) => void = () => undefined;
  const cut = new Promise<Cut>((resolve) => (cutShort = resolve));
  const onAbort = () => cutShort({ kind: 'aborted' });
  const timer = setTimeout(
    () => cutShort({ kind: 'timeout' }),
    Math.min(options.timeoutSeconds * 1000, longestTimer),
  );
  if (options.signal?.aborted) onAbort();
  options.signal?.addEventListener('abort', onAbort, { once: true });
  running.stderr.on('data', (piece: Buffer) => output.addStderr(piece));
  running.stdout.on('data', (piece: Buffer) => {
    if (output.addStdout(piece)) options.onStdout?.(piece);
    else cutShort({ kind: 'too-large' });
  });
  pump(options.stdin, running.stdin, running.ended).catch((error: unknown) =>
    cutShort({ kind: 'input', reason: messageOf(error) }),
  );
  const outcome = await Promise.race([running.ended, cut]);
  clearTimeout(timer);
  options.signal?.removeEventListener('abort', onAbort);
  if (!('kind' in outcome)) return conclude(outcome, output, context);
  const gone = await stop(running, output);
  return failure(describeCut(outcome, context.host, options, gone, output.lastWords()));
}

/** Streams the input at the pace the command takes it; stops when the command is gone. */
async function pump(
  source: AsyncIterable<Uint8Array> | undefined,
  sink: Writable,
  ended: Promise<Ending>,
): Promise<void> {
  // A command that ends without reading its input is no failure: its exit status says how it went.
  sink.on('error', () => undefined);
  let over = false;
  const gone = ended.then(() => (over = true));
  for await (const piece of source ?? []) {
    if (over) return;
    if (!sink.write(piece)) await Promise.race([gone, new Promise((resolve) => sink.once('drain', resolve))]);
  }
  if (!over) sink.end();
}

/**
 * A command cut short right after its start is given a second to say its process id. Being told to end, it is gone as soon
 * as its output is closed; what is left of its process group is killed meanwhile.
 */
async function stop(running: Running, output: Output): Promise<boolean> {
  let over = false;
  const gone = running.ended.then(() => (over = true));
  for (let turn = 0; turn < 20 && output.announcement === undefined && !over; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return await Promise.race([running.stop(output.announcement || undefined), gone]);
}

function describeCut(
  cut: Cut,
  host: string,
  options: ExecOptions,
  gone: boolean,
  lastWords: string,
): Diagnostic {
  const fate = gone ? 'It was ended on the host.' : 'It may still be running on the host.';
  const detail = lastWords === '' ? fate : `${fate} Its last words: ${lastWords}`;
  switch (cut.kind) {
    case 'timeout':
      return commandTimeout(host, options.timeoutSeconds, detail);
    case 'aborted':
      return aborted(host, detail);
    case 'too-large':
      return outputTooLarge(host, options.maxStdoutBytes, detail);
    case 'input':
      return inputFailed(host, cut.reason);
  }
}

function conclude(ending: Ending, output: Output, context: CallContext): Result<ExecOutput> {
  const { announcement } = output;
  if (announcement === 0) return failure(notRoot(context.host, context.sudo));
  if (announcement === undefined && ending.interrupted === undefined) {
    const said = output.stdout().subarray(0, 2000).toString('utf8');
    return failure(notStarted(context.host, context.sudo, ending.exitCode, output.lastWords(), said));
  }
  const value = {
    exitCode: ending.exitCode,
    signal: ending.signal,
    stdout: output.stdout(),
    stderr: output.stderr(),
    interrupted: ending.interrupted !== undefined,
  };
  return success(
    value,
    ending.interrupted === undefined
      ? []
      : [{ ...connectionLost(context.host, ending.interrupted), severity: 'warning' }],
  );
}
