import type { Readable, Writable } from 'node:stream';
import type { Diagnostic } from '../model/diagnostic.ts';
import type { Ending } from './supervise.ts';

/** A connection whose host was verified and that is logged in, and that carries many commands at once. */
export interface Link {
  /** Why it is gone; `undefined` while it stands, as far as is known. */
  readonly lost: string | undefined;
  readonly warnings: readonly Diagnostic[];
  /** Opens a channel and asks for the command on it. A link that does not answer in time is dropped. */
  open(commandText: string, timeoutSeconds: number): Promise<Opening>;
  /** Drops it at once. */
  destroy(): void;
  /** Takes leave of the host; resolves when the connection is gone, by force after a second. */
  end(): Promise<void>;
}

/** A channel on which the command was started. */
export interface HostChannel {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Settles once, when the channel is gone and all its output was read. */
  readonly ended: Promise<Ending>;
  /** Lets go of it; the command may go on on the host. */
  close(): void;
}

/** What became of the wish to run a command on a link. */
export type Opening =
  | { readonly kind: 'open'; readonly channel: HostChannel }
  /** The connection is gone; the command was certainly not sent. */
  | { readonly kind: 'dead'; readonly reason: string }
  /** The host would not; the connection stands. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** It was sent, and the connection is gone: it may have run. */
  | { readonly kind: 'unknown'; readonly reason: string };
