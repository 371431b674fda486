import type { Readable } from 'node:stream';
import { GrpcCode, GrpcError } from './status.ts';

const HEADER_BYTES = 5;

/** One message on the wire: a zero byte (not compressed), the length in four bytes, the message. */
export function frame(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(HEADER_BYTES + message.byteLength);
  framed[0] = 0;
  framed.writeUInt32BE(message.byteLength, 1);
  framed.set(message, HEADER_BYTES);
  return framed;
}

/**
 * Reads a unary or server-streaming call's only message, up to the end of the client's half.
 * @throws GrpcError where it is compressed, too long, cut short, or more than one.
 */
export async function readSingleMessage(stream: Readable, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let total = 0;
  // Not destroyed when refused half-way: the refusal is still to be sent on it.
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
    const bytes = chunk as Buffer;
    total += bytes.length;
    if (total > maxBytes + HEADER_BYTES) {
      throw new GrpcError(GrpcCode.RESOURCE_EXHAUSTED, `a request has more than ${maxBytes} bytes`);
    }
    chunks.push(bytes);
  }
  const whole = Buffer.concat(chunks, total);
  if (total < HEADER_BYTES) throw new GrpcError(GrpcCode.INVALID_ARGUMENT, 'the request has no message');
  if (whole[0] !== 0) throw new GrpcError(GrpcCode.UNIMPLEMENTED, 'compressed requests are not supported');
  if (whole.readUInt32BE(1) !== total - HEADER_BYTES) {
    throw new GrpcError(GrpcCode.INVALID_ARGUMENT, 'the request is not exactly one message');
  }
  return whole.subarray(HEADER_BYTES);
}
