import type { Readable } from 'node:stream';

/** No message of ours or of ssh's comes near this; ssh itself takes no longer ones (CHANNEL_MUX_MAX_PACKET of OpenSSH). */
const maximumFrameBytes = 256 * 1024;

export class WireError extends Error {}

/** Reads the fields of a message as SSH writes them (RFC 4251, section 5). Throws `WireError` where they end too early. */
export class Fields {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  byte(): number {
    return this.#take(1).readUInt8();
  }

  number(): number {
    return this.#take(4).readUInt32BE();
  }

  bytes(): Buffer {
    return this.#take(this.number());
  }

  text(): string {
    return this.bytes().toString('utf8');
  }

  #take(length: number): Buffer {
    if (length > this.#bytes.length - this.#at)
      throw new WireError('a message ends in the middle of a field');
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}

export function byte(value: number): Buffer {
  return Buffer.of(value);
}

export function number(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** A field of any bytes, its length before them. */
export function bytes(value: Uint8Array | string): Buffer {
  const content = typeof value === 'string' ? Buffer.from(value) : value;
  return Buffer.concat([number(content.length), content]);
}

/** A message as it travels: its length, then its fields. */
export function frame(...fields: readonly Buffer[]): Buffer {
  const length = fields.reduce((sum, field) => sum + field.length, 0);
  return Buffer.concat([number(length), ...fields]);
}

/** Calls with each whole message that comes in. `onBroken` ends it: what follows cannot be read any more. */
export function readFrames(
  stream: Readable,
  onFrame: (message: Buffer) => void,
  onBroken: (reason: string) => void,
): void {
  let waiting: Buffer = Buffer.alloc(0);
  const onData = (piece: Buffer) => {
    waiting = waiting.length === 0 ? piece : Buffer.concat([waiting, piece]);
    try {
      for (let whole = take(); whole !== undefined; whole = take()) onFrame(whole);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      stream.off('data', onData);
      onBroken(error.message);
    }
  };
  const take = (): Buffer | undefined => {
    if (waiting.length < 4) return undefined;
    const length = waiting.readUInt32BE();
    if (length > maximumFrameBytes) throw new WireError(`a message of ${length} bytes`);
    if (waiting.length < 4 + length) return undefined;
    const message = waiting.subarray(4, 4 + length);
    waiting = waiting.subarray(4 + length);
    return message;
  };
  stream.on('data', onData);
}
