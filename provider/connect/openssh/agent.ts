import { createPrivateKey, type KeyObject, sign } from 'node:crypto';
import { createServer, type Socket } from 'node:net';
import type { ParsedKey } from 'ssh2';
import { byte, bytes, Fields, frame, number, readFrames } from './wire.ts';

/** The agent protocol: draft-miller-ssh-agent, sections 3 and 5. */
const failed = 5;
const askIdentities = 11;
const identities = 12;
const askSignature = 13;
const signature = 14;
const sha256Flag = 2;
const sha512Flag = 4;

interface HeldKey {
  readonly type: string;
  readonly blob: Buffer;
  readonly secret: KeyObject;
}

/**
 * An agent of our own at a socket in a directory of ours, for keys that are only in our memory: neither they nor their passphrases get
 * into a file, an argument or the environment. Answers with what ends it.
 */
export async function serveAgent(path: string, keys: readonly ParsedKey[]): Promise<() => void> {
  const held = keys.map((key) => ({
    type: key.type,
    blob: key.getPublicSSH(),
    secret: createPrivateKey(key.getPrivatePEM()),
  }));
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    readFrames(
      socket,
      (message) => socket.write(answer(held, new Fields(message))),
      () => socket.destroy(),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(path, resolve);
  });
  return () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
}

function answer(held: readonly HeldKey[], request: Fields): Buffer {
  switch (request.byte()) {
    case askIdentities: {
      const list = held.flatMap(({ blob }) => [bytes(blob), bytes('given to Stockade')]);
      return frame(byte(identities), number(held.length), ...list);
    }
    case askSignature: {
      const blob = request.bytes();
      const data = request.bytes();
      const flags = request.number();
      const key = held.find((one) => one.blob.equals(blob));
      const made = key === undefined ? undefined : signed(key, data, flags);
      return made === undefined ? frame(byte(failed)) : frame(byte(signature), bytes(made));
    }
    default:
      return frame(byte(failed));
  }
}

/** `undefined`: only with SHA-1, which we do not sign with. */
function signed({ type, secret }: HeldKey, data: Buffer, flags: number): Buffer | undefined {
  if (type === 'ssh-ed25519') return Buffer.concat([bytes(type), bytes(sign(null, data, secret))]);
  if (type === 'ssh-rsa') {
    if ((flags & (sha256Flag | sha512Flag)) === 0) return undefined;
    const bits = (flags & sha512Flag) === 0 ? 256 : 512;
    return Buffer.concat([bytes(`rsa-sha2-${bits}`), bytes(sign(`sha${bits}`, data, secret))]);
  }
  const digest = digests[type];
  if (digest === undefined) return undefined;
  const pair = sign(digest, data, { key: secret, dsaEncoding: 'ieee-p1363' });
  const half = pair.length / 2;
  const numbers = [pair.subarray(0, half), pair.subarray(half)].map((one) => bytes(positive(one)));
  return Buffer.concat([bytes(type), bytes(Buffer.concat(numbers))]);
}

/** RFC 5656, section 6.2.1. */
const digests: Readonly<Record<string, string>> = {
  'ecdsa-sha2-nistp256': 'sha256',
  'ecdsa-sha2-nistp384': 'sha384',
  'ecdsa-sha2-nistp521': 'sha512',
};

/** A number as SSH writes it (RFC 4251, mpint): no zeros before it, but one where it would look negative. */
function positive(value: Buffer): Buffer {
  const start = value.findIndex((one) => one !== 0);
  const shortest = start < 0 ? Buffer.alloc(0) : value.subarray(start);
  return (shortest[0] ?? 0) >= 0x80 ? Buffer.concat([byte(0), shortest]) : shortest;
}
