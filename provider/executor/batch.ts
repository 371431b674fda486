import type { Connection, ExecOutput } from '../connect/connection.ts';
import type { Clock } from '../model/clock.ts';
import type { Diagnostic, Result } from '../model/diagnostic.ts';
import type { OperationResult, ReadSection } from '../model/operation.ts';
import { bootstrapCommand, incompleteScriptExit } from './bootstrap.ts';
import { cutShort, protocolBroken, scriptIncomplete, stopped } from './diagnostics.ts';
import type { ExecutorEvent } from './events.ts';
import type { Order } from './order.ts';
import { payloadOf, type Payload } from './payload.ts';
import { readBatch, type BatchLine, type ReaderLimits, type SectionOutput } from './results.ts';
import { withRetry, type RetryPolicy } from './retry.ts';
import { renderReadScript, renderWriteScript, uploadsOf, type ScriptSettings } from './script.ts';
import type { EventSink } from './session.types.ts';

/** What travels together. Without `order` it only reads. */
export interface Batch {
  readonly order?: Order;
  readonly sections: readonly ReadSection[];
}

export interface BatchSettings {
  readonly connection: Connection;
  readonly script: ScriptSettings;
  readonly timeoutSeconds: number;
  readonly maxStdoutBytes: number;
  readonly retry: RetryPolicy;
  readonly clock: Clock;
  readonly sink: EventSink;
  readonly signal?: AbortSignal;
}

export interface BatchOutcome {
  /** Whether anything may have been run. If not, `diagnostics` says why. */
  readonly began: boolean;
  /** By index, one for each operation. */
  readonly results: readonly OperationResult[];
  readonly sections: ReadonlyMap<string, SectionOutput>;
  /** What kept the batch from coming to its end, or made its answers doubtful. */
  readonly diagnostics: readonly Diagnostic[];
  /** The end of what the host said on stderr; hostile until a view escapes it. */
  readonly stderr: string;
}

/** Sends one batch and collects what comes back. Never sends a script twice that may have started. */
export async function runBatch(batch: Batch, settings: BatchSettings): Promise<BatchOutcome> {
  const { connection, clock } = settings;
  const kind = batch.order ? 'write' : 'read';
  const started = clock.now();
  const stamp = () => ({ at: new Date(clock.now()).toISOString(), host: connection.host });
  const emit = (event: ExecutorEvent) => settings.sink(event);
  const name = settings.script.nonce.slice(0, 8);
  const operations = batch.order?.operations.length ?? 0;
  const script = Buffer.from(
    batch.order
      ? renderWriteScript(batch.order, batch.sections, settings.script).text
      : renderReadScript(batch.sections, settings.script).text,
    'utf8',
  );
  emit({ type: 'batch-started', ...stamp(), batch: name, kind, operations });

  const answers = new Answers(batch, (index, result) => {
    const address = batch.order?.operations[index]?.operation.address;
    if (address) emit({ type: 'operation-finished', ...stamp(), batch: name, address, result });
  });
  const connected = (milliseconds: number) => emit({ type: 'connected', ...stamp(), milliseconds });
  const sent = await send(script, batch, settings, answers, connected);
  const outcome = answers.conclude(connection.host, sent);
  if (outcome.diagnostics.length > 0) {
    emit({ type: 'host-failed', ...stamp(), diagnostics: outcome.diagnostics });
  }
  emit({
    type: 'batch-finished',
    ...stamp(),
    batch: name,
    kind,
    milliseconds: clock.now() - started,
    bytesSent: sent.payload.bytesSent(),
    bytesReceived: answers.bytesReceived,
  });
  return outcome;
}

interface Sent {
  readonly result: Result<ExecOutput>;
  readonly payload: Payload;
}

async function send(
  script: Uint8Array,
  batch: Batch,
  settings: BatchSettings,
  answers: Answers,
  connected: (milliseconds: number) => void,
): Promise<Sent> {
  const { connection, clock } = settings;
  const uploads = batch.order ? uploadsOf(batch.order) : [];
  const reader = readBatch(settings.script.nonce, readerLimits(batch, settings), {
    onLine: (line) => answers.take(line),
    onBroken: (what) => answers.broke(what),
  });
  let payload = payloadOf(script, uploads, () => undefined);
  const result = await withRetry(settings.retry, async () => {
    const began = clock.now();
    const before = connection.counters.connections;
    payload = payloadOf(script, uploads, () => {
      if (connection.counters.connections > before) connected(clock.now() - began);
    });
    const tried = await connection.exec(bootstrapCommand(script.length), {
      stdin: payload.stream,
      timeoutSeconds: settings.timeoutSeconds,
      maxStdoutBytes: settings.maxStdoutBytes,
      onStdout: (piece) => {
        answers.bytesReceived += piece.length;
        reader.feed(piece);
      },
      ...(settings.signal ? { signal: settings.signal } : {}),
    });
    return { result: tried, mayHaveStarted: payload.started() };
  });
  return { result, payload };
}

/** A line is a section at its limit, or an operation with as much output and as many values as it may have. */
function readerLimits({ sections }: Batch, { script }: BatchSettings): ReaderLimits {
  return {
    lineBytes: Math.max(script.sectionLimitBytes, 8_388_608) + 4096,
    sections: sections.length,
  };
}

/** Failures of a connection that say that the command itself was not started. */
const neverStarted: ReadonlySet<string> = new Set([
  'not-root',
  'sudo-refused',
  'shell-refused',
  'channel-refused',
  'host-unreachable',
  'login-refused',
]);

const brokenShown = 20;

/** Gathers the lines of one batch. The first answer to a question counts; a second one is an error. */
class Answers {
  readonly #broken: string[] = [];
  #brokenMore = 0;
  bytesReceived = 0;
  readonly #batch: Batch;
  readonly #onResult: (index: number, result: OperationResult) => void;
  readonly #results = new Map<number, OperationResult>();
  readonly #sections = new Map<string, SectionOutput>();
  #begun = false;
  #ended = false;
  #stop: { readonly code: string; readonly detail: string } | undefined;

  constructor(batch: Batch, onResult: (index: number, result: OperationResult) => void) {
    this.#batch = batch;
    this.#onResult = onResult;
  }

  /** The host sends what it should not. It may do so without end. */
  broke(what: string): void {
    if (this.#broken.length < brokenShown) this.#broken.push(what);
    else this.#brokenMore++;
  }

  take(line: BatchLine): void {
    switch (line.type) {
      case 'begin':
        this.#begun = true;
        return;
      case 'end':
        this.#ended = true;
        return;
      case 'stop':
        this.#stop ??= line;
        return;
      case 'section':
        this.#takeSection(line.index, line.section);
        return;
      case 'result':
        this.#takeResult(line.index, line.result);
    }
  }

  conclude(host: string, { result, payload }: Sent): BatchOutcome {
    const output = result.ok ? result.value : undefined;
    const stderr = Buffer.from(output?.stderr ?? []).toString('utf8');
    const diagnostics: Diagnostic[] = [...payload.diagnostics.map((one) => ({ ...one, host }))];
    for (const what of this.#broken) diagnostics.push(protocolBroken(host, what));
    if (this.#brokenMore > 0) diagnostics.push(protocolBroken(host, `${this.#brokenMore} more of that kind`));
    if (!result.ok) diagnostics.push(...result.diagnostics);
    else if (this.#stop) diagnostics.push(stopped(host, this.#stop.code, this.#stop.detail));
    else if (!this.#ended && !this.#begun && result.value.exitCode === incompleteScriptExit) {
      diagnostics.push(scriptIncomplete(host, stderr));
    } else if (!this.#ended) diagnostics.push(cutShort(host, result.value));
    const placed = this.#batch.order?.operations ?? [];
    return {
      began: this.#mayHaveBegun(result, payload),
      results: placed.map(({ index, operation }) => this.#results.get(index) ?? noResult(operation.id)),
      sections: this.#sections,
      diagnostics,
      stderr,
    };
  }

  /**
   * Whether a step may have run. The host says `begin` only once it has the lock, which it may wait for; a connection that is
   * lost meanwhile leaves it waiting, and then working. Only what surely ended before that counts as never begun.
   */
  #mayHaveBegun(result: Result<ExecOutput>, payload: Payload): boolean {
    if (this.#begun) return true;
    if (!payload.started() || this.#stop !== undefined) return false;
    if (result.ok) return result.value.interrupted;
    return !result.diagnostics.some(({ code }) => neverStarted.has(code));
  }

  #takeSection(index: number, section: SectionOutput): void {
    const name = this.#batch.sections[index]?.name;
    if (name === undefined || this.#sections.has(name)) {
      this.broke(`a section nobody asked for, or a second time: ${index}`);
    } else this.#sections.set(name, section);
  }

  #takeResult(index: number, partial: Omit<OperationResult, 'id'>): void {
    const placed = this.#batch.order?.operations[index];
    if (!placed || this.#results.has(index)) {
      this.broke(`a result nobody asked for, or a second one: ${index}`);
      return;
    }
    const result = { id: placed.operation.id, ...partial, ...this.#reason(placed.needs, partial) };
    this.#results.set(index, result);
    this.#onResult(index, result);
  }

  #reason(needs: readonly number[], { status }: Omit<OperationResult, 'id'>): { message?: string } {
    if (status !== 'skipped') return {};
    const culprit = needs.map((index) => this.#results.get(index)).find((need) => need && !wentWell(need));
    return culprit ? { message: `it needs "${culprit.id}", which was ${culprit.status}` } : {};
  }
}

function wentWell({ status }: OperationResult): boolean {
  return status === 'same' || status === 'changed';
}

function noResult(id: string): OperationResult {
  return {
    id,
    status: 'unknown',
    values: {},
    code: 'no-result',
    message: "the batch ended before this step's result came; it may have run",
    output: '',
    milliseconds: 0,
  };
}
