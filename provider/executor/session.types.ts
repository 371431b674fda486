import type { Result } from '../model/diagnostic.ts';
import type { Operation, OperationResult, ReadSection } from '../model/operation.ts';
import type { ExecutorEvent } from './events.ts';

/** What a batch of writes left behind: a result per operation, and what the sections showed afterwards. */
export interface WriteOutcome {
  readonly results: readonly OperationResult[];
  readonly sections: ReadonlyMap<string, Uint8Array>;
}

export interface WriteOptions {
  /**
   * It is carried out even after a stop was asked for: it ends what must not go on running. It travels before all that is not, and by itself.
   * @default false
   */
  readonly urgent?: boolean;
}

/**
 * All traffic with one host from one process: one connection; reads and writes asked for within a moment of each other
 * travel as one script. A read that finds the host never prepared is normal.
 */
export interface HostSession {
  readonly host: string;
  /** Runs the sections; same-named sections of calls that travel together are merged (arguments united, first come first). */
  read(sections: readonly ReadSection[]): Promise<Result<ReadonlyMap<string, Uint8Array>>>;
  /** Runs the operations in dependency order under the host's lock, then the sections, still under it. */
  write(
    operations: readonly Operation[],
    sections?: readonly ReadSection[],
    options?: WriteOptions,
  ): Promise<Result<WriteOutcome>>;
  /**
   * The batch of writes that runs, if any, comes to the end of its present step and begins no more; of what waits to be sent nothing is begun.
   * Their sections are still read. What is urgent goes on. Resolves once the host has heard it.
   */
  stop(): Promise<void>;
  readonly counters: SessionCounters;
  close(): Promise<void>;
}

export interface SessionCounters {
  readonly connections: number;
  /** Scripts sent, reads and writes: each is one round trip. */
  readonly readBatches: number;
  readonly writeBatches: number;
}

export type EventSink = (event: ExecutorEvent) => void;
