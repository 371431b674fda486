import { PassThrough } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { message, windowBytes } from '../../provider/connect/openssh/messages.ts';
import { SessionChannel } from '../../provider/connect/openssh/session-channel.ts';
import {
  byte,
  bytes,
  Fields,
  frame,
  number,
  readFrames,
  WireError,
} from '../../provider/connect/openssh/wire.ts';
import { isSshHost, isSshJump, isSshUser } from '../../provider/model/ssh-names.ts';
import { word } from '../../provider/model/shell.ts';

const blob = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array));
const tick = () => new Promise((resolve) => setImmediate(resolve));

describe('messages', () => {
  it('come out as they went in, however they are cut', async () => {
    const messages = fc.array(blob, { maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(messages, fc.array(fc.nat(2000), { maxLength: 8 }), async (all, cuts) => {
        const whole = Buffer.concat(all.map((one) => frame(one)));
        const edges = [0, ...cuts.map((one) => one % (whole.length + 1)), whole.length].sort((a, b) => a - b);
        const stream = new PassThrough();
        const seen: Buffer[] = [];
        readFrames(
          stream,
          (one) => seen.push(Buffer.from(one)),
          (reason) => expect.unreachable(reason),
        );
        edges.slice(1).forEach((edge, index) => stream.write(whole.subarray(edges[index], edge)));
        await tick();
        expect(seen).toEqual(all);
      }),
    );
  });

  it('of any bytes end in a value or in a WireError, never in memory that is not ours', () => {
    fc.assert(
      fc.property(blob, fc.array(fc.constantFrom('byte', 'number', 'bytes', 'text')), (data, reads) => {
        const fields = new Fields(data);
        try {
          for (const read of reads) fields[read]();
        } catch (error) {
          expect(error).toBeInstanceOf(WireError);
        }
      }),
    );
  });

  it('that are too long end the reading', async () => {
    const stream = new PassThrough();
    const broken: string[] = [];
    readFrames(
      stream,
      () => expect.unreachable(),
      (reason) => broken.push(reason),
    );
    stream.write(Buffer.from([0x7f, 0xff, 0xff, 0xff, 1]));
    stream.write(Buffer.from([0, 0, 0, 0]));
    await tick();
    expect(broken).toEqual(['a message of 2147483647 bytes']);
  });
});

interface Sent {
  readonly kind: number;
  readonly fields: readonly Buffer[];
}

function channel(window: number, packetBytes = 100) {
  const sent: Sent[] = [];
  const made = new SessionChannel({
    window,
    packetBytes,
    send: (kind, fields, onSent) => {
      sent.push({ kind, fields });
      onSent?.();
    },
    onClosed: () => undefined,
  });
  const take = (kind: number, ...fields: readonly Buffer[]) =>
    made.take(kind, new Fields(Buffer.concat(fields)));
  const of = (kind: number) => sent.filter((one) => one.kind === kind);
  return { made, sent, take, of };
}

describe('a channel', () => {
  it('sends all of stdin in order, and never more than the host takes', async () => {
    const pieces = fc.array(fc.uint8Array({ minLength: 1, maxLength: 400 }), { maxLength: 6 });
    const windows = fc.array(fc.integer({ min: 1, max: 500 }), { maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(pieces, fc.nat(300), windows, async (all, first, later) => {
        const { made, take, of } = channel(first);
        const data = () => of(message.data).map(({ fields }) => fields[1] ?? Buffer.alloc(0));
        for (const piece of all) made.stdin.write(piece);
        let allowed = first;
        for (const more of [...later, 10_000]) {
          await tick();
          expect(Buffer.concat(data()).length).toBeLessThanOrEqual(allowed);
          expect(data().every((piece) => piece.length <= 100)).toBe(true);
          allowed += more;
          take(message.windowAdjust, number(more));
        }
        await tick();
        expect(Buffer.concat(data())).toEqual(Buffer.concat(all.map((one) => Buffer.from(one))));
      }),
    );
  });

  it('lets a host say no more than was asked for while nobody reads', async () => {
    const { made, take, of } = channel(0);
    for (let total = 0; total < windowBytes; total += 32_768) take(message.data, bytes(Buffer.alloc(32_768)));
    await tick();
    expect(() => take(message.data, bytes('x'))).toThrow(WireError);
    const granted = of(message.windowAdjust).length;
    made.stdout.resume();
    await tick();
    expect(of(message.windowAdjust).length).toBeGreaterThan(granted);
  });

  it('ends with the status that came before the close, and not without one', async () => {
    const { made, take } = channel(0);
    made.stdout.resume();
    made.stderr.resume();
    take(message.request, bytes('exit-status'), byte(0), number(3));
    take(message.data, bytes('late'));
    take(message.close);
    expect(await made.ended).toEqual({ exitCode: 3, signal: undefined, interrupted: undefined });
    const lost = channel(0);
    lost.made.stdout.resume();
    lost.made.stderr.resume();
    lost.take(message.request, bytes('exit-status'), byte(0), number(3));
    lost.made.lose('gone');
    expect(await lost.made.ended).toMatchObject({ interrupted: 'gone' });
  });

  it('answers questions it does not know, and closes once', async () => {
    const { made, take, of } = channel(0);
    take(message.request, bytes('keepalive@openssh.com'), byte(1));
    expect(of(message.failure)).toHaveLength(1);
    take(message.request, bytes('whatever'), byte(0));
    expect(of(message.failure)).toHaveLength(1);
    made.close();
    take(message.close);
    expect(of(message.close)).toHaveLength(1);
    await made.ended;
  });
});

describe('names for the ssh program', () => {
  it('that are taken need no quotes in any shell, and are no option', () => {
    const near = fc.stringMatching(/^[-A-Za-z0-9.:@,%[\]_$`; '"\n*?~!{}]{0,20}$/);
    fc.assert(
      fc.property(fc.oneof(near, fc.string()), (text) => {
        for (const isTaken of [isSshHost, isSshUser]) {
          if (!isTaken(text)) continue;
          expect(word(text).text).toBe(text);
          expect(text).toMatch(/^[^-]/);
        }
        if (isSshJump(text)) expect(text).toMatch(/^(?!-)[A-Za-z0-9_.@+,:%[\]-]+$/);
      }),
      { numRuns: 2000 },
    );
  });

  it.each(['hv1', 'hv1.example.org', '198.18.0.2', '::1', 'fe80::1%eth0', 'under_score'])(
    '%s is a host',
    (text) => {
      expect(isSshHost(text)).toBe(true);
    },
  );

  it.each(['none', 'gate', 'ops@gate:2222', 'a,b@c,[::1]:22', 'ops@corp@gate'])('%s is a way', (text) => {
    expect(isSshJump(text)).toBe(true);
  });

  it.each([
    '',
    '-J',
    'a,-b',
    'a@-b',
    '-a@b',
    'gate:0',
    'gate:65536',
    'gate:99999',
    'a,,b',
    'a b',
    'ssh://gate',
    '::1',
  ])('%j is no way', (text) => {
    expect(isSshJump(text)).toBe(false);
  });
});
