import { Readable, Writable } from 'node:stream';
import type { HostChannel } from '../link.ts';
import type { Ending } from '../supervise.ts';
import { message, packetBytes, windowBytes } from './messages.ts';
import { type Fields, number, WireError } from './wire.ts';

export interface ChannelSettings {
  /** How much the host takes before it has read some of it. Unit: bytes. */
  readonly window: number;
  readonly packetBytes: number;
  /** Sends a message to this channel of the host's. */
  readonly send: (kind: number, fields: readonly Buffer[], onSent?: () => void) => void;
  /** Nothing that the host may still say on it counts. */
  readonly onClosed: () => void;
}

const largestWindow = 2 ** 32 - 1;
const standardError = 1;

/** What a host writes; `grant` tells it that so many bytes were read. */
class HostOutput extends Readable {
  readonly #grant: (bytes: number) => void;
  #unread = 0;

  constructor(grant: (bytes: number) => void) {
    super({ highWaterMark: 2 * packetBytes });
    this.#grant = grant;
    this.on('error', () => undefined);
  }

  add(data: Buffer): void {
    this.#unread += data.length;
    if (this.push(data)) this._read();
  }

  override _read(): void {
    const bytes = this.#unread;
    this.#unread = 0;
    if (bytes > 0) this.#grant(bytes);
  }
}

/** A command's channel: what goes in at the pace the host takes it, what comes out at the pace it is read. */
export class SessionChannel implements HostChannel {
  readonly stdin: Writable;
  readonly stdout: HostOutput;
  readonly stderr: HostOutput;
  readonly ended: Promise<Ending>;
  readonly #settings: ChannelSettings;
  /** What we may still send. */
  #window: number;
  /** What the host may still send. */
  #hostWindow = windowBytes;
  #read = 0;
  #waiting: { readonly data: Buffer; readonly done: () => void } | undefined;
  #exitCode: number | undefined;
  #signal: string | undefined;
  #closeSent = false;
  #closedByHost = false;
  #lost: string | undefined;

  constructor(settings: ChannelSettings) {
    this.#settings = settings;
    this.#window = settings.window;
    this.stdin = new Writable({
      write: (data: Buffer, _encoding, done) => {
        this.#waiting = { data, done };
        this.#pump();
      },
      final: (done) => {
        if (!this.#closeSent) settings.send(message.endOfFile, []);
        done();
      },
    });
    this.stdin.on('error', () => undefined);
    this.stdout = new HostOutput((bytes) => this.#grant(bytes));
    this.stderr = new HostOutput((bytes) => this.#grant(bytes));
    this.ended = this.#end();
  }

  /** A message of the host's to this channel. */
  take(kind: number, fields: Fields): void {
    switch (kind) {
      case message.data:
        this.#output(this.stdout, fields.bytes());
        return;
      case message.extendedData: {
        const isError = fields.number() === standardError;
        this.#output(isError ? this.stderr : undefined, fields.bytes());
        return;
      }
      case message.windowAdjust:
        this.#window += fields.number();
        if (this.#window > largestWindow) throw new WireError('a window that is too large');
        this.#pump();
        return;
      case message.request:
        this.#request(fields);
        return;
      case message.close:
        this.#closedByHost = true;
        this.#sendClose();
        this.#finish();
    }
  }

  /** The connection is gone. */
  lose(reason: string): void {
    this.#lost ??= reason;
    this.#closeSent = true;
    this.#finish();
  }

  close(): void {
    this.#sendClose();
    this.stdout.destroy();
    this.stderr.destroy();
    this.#finish();
  }

  #output(stream: HostOutput | undefined, data: Buffer): void {
    this.#hostWindow -= data.length;
    if (this.#hostWindow < 0) throw new WireError('more output than was asked for');
    if (stream === undefined) this.#grant(data.length);
    else stream.add(data);
  }

  #grant(bytes: number): void {
    this.#read += bytes;
    if (this.#read < windowBytes / 4 || this.#closeSent) return;
    this.#settings.send(message.windowAdjust, [number(this.#read)]);
    this.#hostWindow += this.#read;
    this.#read = 0;
  }

  #pump(): void {
    while (this.#waiting !== undefined && this.#window > 0 && !this.#closeSent) {
      const { data, done } = this.#waiting;
      const piece = data.subarray(0, Math.min(this.#window, this.#settings.packetBytes));
      const isLast = piece.length === data.length;
      this.#window -= piece.length;
      this.#waiting = isLast ? undefined : { data: data.subarray(piece.length), done };
      this.#settings.send(message.data, [number(piece.length), piece], isLast ? done : undefined);
    }
  }

  #request(fields: Fields): void {
    const name = fields.text();
    const wantsReply = fields.byte() !== 0;
    if (name === 'exit-status') this.#exitCode = fields.number();
    else if (name === 'exit-signal') this.#signal = `SIG${fields.text().slice(0, 40)}`;
    // sshd's ClientAliveInterval asks on a channel, and any answer will do.
    if (wantsReply && !this.#closeSent) this.#settings.send(message.failure, []);
  }

  #sendClose(): void {
    if (this.#closeSent) return;
    this.#closeSent = true;
    this.#settings.send(message.close, []);
  }

  #finish(): void {
    this.stdout.push(null);
    this.stderr.push(null);
    this.stdin.destroy();
    this.#settings.onClosed();
  }

  async #end(): Promise<Ending> {
    await Promise.all(
      [this.stdout, this.stderr].map((stream) => new Promise((resolve) => stream.once('close', resolve))),
    );
    return { exitCode: this.#exitCode, signal: this.#signal, interrupted: this.#interrupted() };
  }

  /** Output may follow the exit status: it is whole only when the host itself closed the channel. */
  #interrupted(): string | undefined {
    if (!this.#closedByHost) return this.#lost ?? 'it was given up';
    const isOwn = this.#exitCode !== undefined || this.#signal !== undefined;
    return isOwn ? undefined : 'the channel closed without an exit status';
  }
}
