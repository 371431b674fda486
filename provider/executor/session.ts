import { randomBytes } from 'node:crypto';
import type { Connection } from '../connect/connection.ts';
import { systemClock, type Clock, type TokenSource } from '../model/clock.ts';
import { failure, success, type Result } from '../model/diagnostic.ts';
import type { Operation, ReadSection } from '../model/operation.ts';
import { defaultRoots, type HostRoots } from '../model/paths.ts';
import { runBatch } from './batch.ts';
import { sessionClosed } from './diagnostics.ts';
import { defaultGatherSettings, Gatherer, type GatherSettings } from './gather.ts';
import { checkOperations } from './order.ts';
import { chooseTogether, mergeRequests, splitOutcome, type Answer, type Request } from './requests.ts';
import { defaultRetryPolicy, type RetryPolicy } from './retry.ts';
import { askToStop, calledOff } from './stop.ts';
import type { EventSink, HostSession, SessionCounters, WriteOptions, WriteOutcome } from './session.types.ts';

export interface SessionLimits {
  /** A batch that only reads is ended after this long. @default 180 */
  readonly readTimeoutSeconds: number;
  /** A batch that writes, uploads included, is ended after this long. @default 1800 */
  readonly writeTimeoutSeconds: number;
  /** How long to wait for another's batch on the host to end. @default 60 */
  readonly lockWaitSeconds: number;
  /** One section's output. @default 16 MiB */
  readonly sectionBytes: number;
  /** Everything a batch sends back. @default 64 MiB */
  readonly stdoutBytes: number;
}

export const defaultSessionLimits: SessionLimits = {
  readTimeoutSeconds: 180,
  writeTimeoutSeconds: 1800,
  lockWaitSeconds: 60,
  sectionBytes: 16 * 1024 * 1024,
  stdoutBytes: 64 * 1024 * 1024,
};

export interface SessionOptions {
  /** The session closes it when it is closed itself. */
  readonly connection: Connection;
  /** Who works here, shown to others who find the host locked: `fleet prod, ada@ws1, process 4711`. One line. */
  readonly holder: string;
  readonly sink?: EventSink;
  readonly clock?: Clock;
  readonly tokens?: TokenSource;
  readonly retry?: Partial<RetryPolicy>;
  readonly gather?: Partial<GatherSettings>;
  readonly limits?: Partial<SessionLimits>;
  readonly roots?: HostRoots;
  /** Ends what is running on the host and refuses what comes after. */
  readonly signal?: AbortSignal;
}

/** Opens a session with one host. Nothing is sent before the first request. */
export function openHostSession(options: SessionOptions): HostSession {
  return new BatchingSession(options);
}

interface Waiting extends Request {
  /** What it would have run is not to be begun any more. */
  readonly stopped?: boolean;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (reason: unknown) => void;
}

class BatchingSession implements HostSession {
  readonly #options: SessionOptions;
  readonly #limits: SessionLimits;
  readonly #tokens: TokenSource;
  readonly #gatherer: Gatherer;
  #queue: Waiting[] = [];
  #running = false;
  #closing: (() => void) | undefined;
  #closed: Promise<void> | undefined;
  #readBatches = 0;
  #writeBatches = 0;
  /** Of the batch of writes that runs, and may be asked to stop. */
  #writing: string | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#limits = { ...defaultSessionLimits, ...options.limits };
    this.#tokens = options.tokens ?? (() => randomBytes(16).toString('hex'));
    this.#gatherer = new Gatherer({ ...defaultGatherSettings, ...options.gather }, () => void this.#next());
  }

  get host(): string {
    return this.#options.connection.host;
  }

  get counters(): SessionCounters {
    const { connections } = this.#options.connection.counters;
    return { connections, readBatches: this.#readBatches, writeBatches: this.#writeBatches };
  }

  async read(sections: readonly ReadSection[]): Promise<Result<ReadonlyMap<string, Uint8Array>>> {
    if (this.#closed) return failure(sessionClosed(this.host));
    const answer = await this.#ask({ sections });
    const whole = sections.every(({ name }) => answer.sections.has(name));
    return whole ? success(answer.sections, answer.diagnostics) : failure(...answer.diagnostics);
  }

  async write(
    operations: readonly Operation[],
    sections: readonly ReadSection[] = [],
    { urgent = false }: WriteOptions = {},
  ): Promise<Result<WriteOutcome>> {
    if (this.#closed) return failure(sessionClosed(this.host));
    const checked = checkOperations(operations);
    if (!checked.ok) return checked;
    const asked = await this.#ask({ operations, sections, urgent });
    const { began, results, sections: shown, diagnostics } = asked;
    return began ? success({ results, sections: shown }, diagnostics) : failure(...diagnostics);
  }

  async stop(): Promise<void> {
    this.#queue = this.#queue.map((one) => ({ ...one, stopped: one.urgent !== true }));
    const nonce = this.#writing;
    if (nonce === undefined) return;
    const { connection, roots = defaultRoots } = this.#options;
    await askToStop(connection, { roots, nonce, isOver: () => this.#writing !== nonce });
  }

  /** Lets what was asked come to its end, then closes the connection. */
  close(): Promise<void> {
    this.#closed ??= this.#drained().then(() => this.#options.connection.close());
    return this.#closed;
  }

  #drained(): Promise<void> {
    if (!this.#running && this.#queue.length === 0) return Promise.resolve();
    return new Promise((resolve) => (this.#closing = resolve));
  }

  #ask(request: Request): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ ...request, resolve, reject });
      if (!this.#running) this.#gatherer.touch();
    });
  }

  /** One batch at a time: what is asked meanwhile forms the next one. */
  async #next(): Promise<void> {
    const { taken, left } = chooseTogether(this.#queue);
    this.#queue = left;
    this.#running = true;
    try {
      const answers = await this.#run(taken);
      answers.forEach((answer, position) => taken[position]?.resolve(answer));
    } catch (bug) {
      for (const { reject } of taken) reject(bug);
    } finally {
      this.#running = false;
      this.#writing = undefined;
      if (this.#queue.length > 0) this.#gatherer.touch();
      else this.#closing?.();
    }
  }

  /** Of what was stopped before it was sent only the sections are. */
  async #run(requests: readonly Waiting[]): Promise<Answer[]> {
    const answers = await this.#send(
      requests.map((one) => (one.stopped === true ? { sections: one.sections } : one)),
    );
    return answers.map((answer, position) => {
      const { stopped = false, operations } = requests[position] ?? {};
      if (!stopped || operations === undefined) return answer;
      return { ...answer, began: true, results: operations.map(calledOff) };
    });
  }

  async #send(requests: readonly Request[]): Promise<Answer[]> {
    const { connection, clock = systemClock, sink = () => undefined, retry, roots, signal } = this.#options;
    const batch = mergeRequests(requests);
    if (batch.order) this.#writeBatches++;
    else this.#readBatches++;
    const since = new Date(clock.now()).toISOString();
    const nonce = this.#tokens();
    const mayStop = batch.order !== undefined && !requests.some(({ urgent = false }) => urgent);
    this.#writing = mayStop ? nonce : undefined;
    const outcome = await runBatch(batch, {
      connection,
      clock,
      sink,
      retry: { ...defaultRetryPolicy, ...retry },
      timeoutSeconds: batch.order ? this.#limits.writeTimeoutSeconds : this.#limits.readTimeoutSeconds,
      maxStdoutBytes: this.#limits.stdoutBytes,
      script: {
        nonce,
        roots: roots ?? defaultRoots,
        holder: `${this.#options.holder}, since ${since}`,
        lockWaitSeconds: this.#limits.lockWaitSeconds,
        sectionLimitBytes: this.#limits.sectionBytes,
      },
      ...(signal ? { signal } : {}),
    });
    return splitOutcome(connection.host, requests, outcome, this.#limits.sectionBytes);
  }
}
