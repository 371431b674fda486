import type { Socket } from 'node:net';
import type { Opening } from '../link.ts';
import { message, packetBytes, windowBytes } from './messages.ts';
import { SessionChannel } from './session-channel.ts';
import { byte, bytes, Fields, frame, number, WireError } from './wire.ts';

/** What is between the wish for a command and its answer. */
interface Pending {
  readonly command: string;
  readonly settle: (opening: Opening) => void;
  /** From when on the command may be on its way. */
  channel: SessionChannel | undefined;
}

/** Channels on one proxied connection (see mux.ts): opens them, and brings what the host says to each. */
export class Channels {
  readonly #socket: Socket;
  readonly #pending = new Map<number, Pending>();
  readonly #running = new Map<number, SessionChannel>();
  #lastId = 0;
  #lost: string | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Asks for a channel, and for the command on it once it is there. `onLate`: nothing came in time. */
  open(command: string, timeoutSeconds: number, onLate: () => void): Promise<Opening> {
    const id = ++this.#lastId;
    return new Promise((resolve) => {
      if (this.#lost !== undefined) {
        resolve({ kind: 'dead', reason: this.#lost });
        return;
      }
      const timer = setTimeout(() => {
        pending.settle({
          kind: pending.channel === undefined ? 'dead' : 'unknown',
          reason: `no answer within ${timeoutSeconds} s`,
        });
        onLate();
      }, timeoutSeconds * 1000);
      const pending: Pending = {
        command,
        channel: undefined,
        settle: (opening) => {
          clearTimeout(timer);
          this.#pending.delete(id);
          resolve(opening);
        },
      };
      this.#pending.set(id, pending);
      this.#send(message.open, [bytes('session'), number(id), number(windowBytes), number(packetBytes)]);
    });
  }

  /** Throws `WireError` where the message is none. */
  take(received: Buffer): void {
    const fields = new Fields(received);
    fields.byte();
    const kind = fields.byte();
    const id = fields.number();
    const pending = this.#pending.get(id);
    const channel = this.#running.get(id) ?? pending?.channel;
    switch (kind) {
      case message.confirmation:
        if (pending !== undefined && channel === undefined) this.#confirmed(id, pending, fields);
        return;
      case message.openFailure: {
        const code = fields.number();
        const why = fields.text().slice(0, 1000);
        pending?.settle({ kind: 'refused', reason: why === '' ? `reason ${code}` : why });
        return;
      }
      case message.success:
        if (pending === undefined || channel === undefined) return;
        this.#running.set(id, channel);
        pending.settle({ kind: 'open', channel });
        return;
      case message.failure:
        if (pending === undefined || channel === undefined) return;
        pending.settle({ kind: 'refused', reason: 'it does not run the command' });
        channel.close();
        return;
      default:
        channel?.take(kind, fields);
    }
  }

  /** The connection is gone: tells everybody. */
  lose(reason: string): void {
    this.#lost ??= reason;
    for (const { channel, settle } of [...this.#pending.values()]) {
      settle({ kind: channel === undefined ? 'dead' : 'unknown', reason: this.#lost });
    }
    for (const channel of [...this.#running.values()]) channel.lose(this.#lost);
  }

  #confirmed(id: number, pending: Pending, fields: Fields): void {
    const remoteId = fields.number();
    const window = fields.number();
    const packet = fields.number();
    if (packet === 0) throw new WireError('a channel that takes no data');
    const channel = new SessionChannel({
      window,
      packetBytes: Math.min(packet, packetBytes),
      send: (kind, body, onSent) => this.#send(kind, [number(remoteId), ...body], onSent),
      onClosed: () => {
        this.#running.delete(id);
        pending.settle({ kind: 'unknown', reason: 'the host closed the channel' });
      },
    });
    pending.channel = channel;
    this.#send(message.request, [number(remoteId), bytes('exec'), byte(1), bytes(pending.command)]);
  }

  /** `onSent`: the message has left this process. */
  #send(kind: number, fields: readonly Buffer[], onSent?: () => void): void {
    this.#socket.write(frame(byte(0), byte(kind), ...fields), onSent);
  }
}
