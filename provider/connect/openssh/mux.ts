import { connect, type Socket } from 'node:net';
import { Fields, frame, number, readFrames } from './wire.ts';

/** OpenSSH's PROTOCOL.mux, version 4. `proxy` is in OpenSSH 7.4 and later; its number is in mux.c. */
const hello = 0x00000001;
const askAlive = 0x10000004;
const askProxy = 0x1000000f;
const alive = 0x80000005;
const proxying = 0x8000000f;
const version = 4;

/** The control socket of an ssh that is a master, from now on carrying messages of SSH's connection protocol (RFC 4254). */
export interface ProxySocket {
  readonly socket: Socket;
  /** The master's process, for as long as the socket stands. */
  readonly pid: number;
  /** Takes the messages; to be called at once. */
  readonly listen: (onMessage: (message: Buffer) => void, onBroken: (reason: string) => void) => void;
}

/**
 * Asks the master at a control socket to carry our channels beside its own (its "proxy mode"): no program has to be started for a
 * command then, and no file descriptor passed. Throws when it will not.
 */
export function openProxy(path: string, deadline: AbortSignal): Promise<ProxySocket> {
  const socket = connect(path);
  return new Promise((resolve, reject) => {
    let pid = 0;
    let onMessage: ((message: Buffer) => void) | undefined;
    const fail = (error: Error) => {
      socket.destroy();
      reject(error);
    };
    let onBroken = (reason: string) => fail(new Error(reason));
    const onDeadline = () => fail(new Error('it does not answer at its control socket'));
    deadline.addEventListener('abort', onDeadline, { once: true });
    if (deadline.aborted) onDeadline();
    socket.on('error', fail).on('close', () => reject(new Error('it closed its control socket')));
    const greet = (message: Buffer) => {
      const fields = new Fields(message);
      const kind = fields.number();
      const value = fields.number();
      if (kind === hello) {
        if (value !== version) fail(new Error(`it speaks version ${value} of the multiplexing protocol`));
        else socket.write(Buffer.concat([request(askAlive, 1), request(askProxy, 2)]));
      } else if (kind === alive) pid = fields.number();
      else if (kind === proxying && pid > 1) {
        const listen: ProxySocket['listen'] = (take, broken) => {
          onMessage = take;
          onBroken = broken;
        };
        deadline.removeEventListener('abort', onDeadline);
        resolve({ socket, pid, listen });
      } else fail(new Error('it does not do as the multiplexing protocol says'));
    };
    readFrames(
      socket,
      (message) => (onMessage ?? greet)(message),
      (reason) => onBroken(reason),
    );
    socket.write(request(hello, version));
  });
}

function request(kind: number, value: number): Buffer {
  return frame(number(kind), number(value));
}
