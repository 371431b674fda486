import type { Clock } from '../model/clock.ts';
import { failure, type Diagnostic, type Result } from '../model/diagnostic.ts';
import { word, type ShellText } from '../model/shell.ts';
import type { Connection, ExecOptions, ExecOutput } from './connection.ts';
import { aborted, channelRefused, connectionLost } from './diagnostics.ts';
import type { Link } from './link.ts';
import { runningOn } from './running.ts';
import { Slots } from './slots.ts';
import { freshMarker, supervise } from './supervise.ts';
import { wrapCommand } from './wrap.ts';

export interface ConnectionDeps {
  readonly clock: Clock;
  /** Told of every connection made, with the time it took from the first packet to the login. */
  readonly onConnected?: (connected: { readonly host: string; readonly milliseconds: number }) => void;
}

/** sshd's default MaxSessions is 10; two are left for ending commands. */
const channelsPerConnection = 8;
const maximumRefusals = 10;

/** What a connection has to know of its host, whoever makes the link. */
export interface MultiplexedHost {
  readonly host: string;
  readonly sudo: boolean;
  readonly connectTimeoutSeconds: number;
}

/** One host over SSH: all commands share one link, which `dial` makes at the first of them. */
export function connectOver(
  target: MultiplexedHost,
  deps: ConnectionDeps,
  dial: () => Promise<Result<Link>>,
): Connection {
  return new MultiplexedConnection(target, deps, dial);
}

class MultiplexedConnection implements Connection {
  readonly host: string;
  readonly counters = { connections: 0, commands: 0 };
  readonly #target: MultiplexedHost;
  readonly #deps: ConnectionDeps;
  readonly #makeLink: () => Promise<Result<Link>>;
  readonly #slots = new Slots(channelsPerConnection);
  #link: Link | undefined;
  #dialing: Promise<Result<Link>> | undefined;
  /** Told with the first command on a link. */
  #warnings: readonly Diagnostic[] = [];
  #closed = false;

  constructor(target: MultiplexedHost, deps: ConnectionDeps, dial: () => Promise<Result<Link>>) {
    this.host = target.host;
    this.#target = target;
    this.#deps = deps;
    this.#makeLink = dial;
  }

  async exec(command: ShellText, options: ExecOptions): Promise<Result<ExecOutput>> {
    if (!(await this.#slots.acquire(options.signal))) return failure(this.#notSent());
    this.counters.commands++;
    try {
      const result = await this.#run(command, options);
      return result.ok ? { ...result, warnings: [...this.#takeWarnings(), ...result.warnings] } : result;
    } finally {
      this.#slots.release();
    }
  }

  async #run(command: ShellText, options: ExecOptions): Promise<Result<ExecOutput>> {
    const marker = freshMarker();
    const { sudo, host, connectTimeoutSeconds } = this.#target;
    const text = wrapCommand(command, word(marker), sudo).text;
    let refusals = 0;
    for (let retried = false; ; ) {
      const standing = this.#link !== undefined && this.#link.lost === undefined;
      const linked = await this.#linked(options.signal);
      if (!linked.ok) return linked;
      const opening = await linked.value.open(text, connectTimeoutSeconds);
      switch (opening.kind) {
        case 'open':
          return await supervise(
            runningOn(opening.channel, linked.value, sudo),
            { host, sudo, marker },
            options,
          );
        case 'unknown':
          return failure(connectionLost(host, `${opening.reason}. Whether the command ran is not known.`));
        case 'dead':
          // It had stood idle and was dead already: that is nothing the caller needs to hear of, once.
          if (!standing || retried) return failure(connectionLost(host, opening.reason));
          retried = true;
          break;
        case 'refused':
          refusals++;
          if (refusals > maximumRefusals) return failure(channelRefused(host, opening.reason));
          await this.#backOff(refusals);
      }
    }
  }

  /**
   * sshd counts a session for a moment longer than its channel is open, so the first refusal means little. The second means
   * that the host allows fewer sessions than we have open: this command waits until another has ended.
   */
  async #backOff(refusals: number): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 10 * refusals));
    if (refusals % 2 === 1 || this.#slots.taken === 1) return;
    this.#slots.shrink();
    this.#slots.release();
    await this.#slots.acquire(undefined);
  }

  /** The standing link, or a new one; all who ask meanwhile wait for the same. */
  async #linked(signal: AbortSignal | undefined): Promise<Result<Link>> {
    if (this.#closed || signal?.aborted) return failure(this.#notSent());
    if (this.#link !== undefined && this.#link.lost === undefined) {
      return { ok: true, value: this.#link, warnings: [] };
    }
    this.#dialing ??= this.#dial().finally(() => (this.#dialing = undefined));
    if (signal === undefined) return await this.#dialing;
    let onAbort = () => undefined as void;
    const stopped = new Promise<Result<Link>>((resolve) => {
      onAbort = () => resolve(failure(this.#notSent()));
    });
    signal.addEventListener('abort', onAbort, { once: true });
    return await Promise.race([this.#dialing, stopped]).finally(() =>
      signal.removeEventListener('abort', onAbort),
    );
  }

  async #dial(): Promise<Result<Link>> {
    const started = this.#deps.clock.now();
    const dialled = await this.#makeLink();
    if (!dialled.ok) return dialled;
    if (this.#closed) {
      dialled.value.destroy();
      return failure(this.#notSent());
    }
    this.#link = dialled.value;
    this.#warnings = dialled.value.warnings;
    this.counters.connections++;
    this.#deps.onConnected?.({ host: this.host, milliseconds: this.#deps.clock.now() - started });
    return dialled;
  }

  #takeWarnings(): readonly Diagnostic[] {
    const warnings = this.#warnings;
    this.#warnings = [];
    return warnings;
  }

  #notSent(): Diagnostic {
    return aborted(this.host, this.#closed ? 'The connection was closed.' : 'The command was not sent.');
  }

  /** Commands that still run are reported as interrupted; they are not ended on the host. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#dialing;
    const link = this.#link;
    if (link === undefined || link.lost !== undefined) return;
    await link.end();
  }
}
