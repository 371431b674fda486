import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface DelayProxyOptions {
  readonly target: { readonly address: string; readonly port: number };
  /** Added to each byte's way, in each direction: the round trip grows by twice this. */
  readonly delayMs: number;
}

export interface DelayProxy {
  /** 127.0.0.1 */
  readonly address: string;
  readonly port: number;
  /** Connections accepted so far. */
  readonly connections: number;
  /** Breaks every open connection; new ones are accepted. */
  dropConnections(): void;
  close(): Promise<void>;
}

/**
 * A TCP proxy that stands for distance: bytes keep their order and arrive `delayMs` later, any number in flight. (Debian's
 * kernels have netem for this, but many machines that run tests do not.)
 */
export function delayProxy(options: DelayProxyOptions): Promise<DelayProxy> {
  const sockets = new Set<Socket>();
  let connections = 0;
  const dropConnections = () => {
    for (const socket of sockets) socket.destroy();
  };
  const server = createServer((near) => {
    connections++;
    const far = connect({ host: options.target.address, port: options.target.port });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.setNoDelay(true);
      forward(from, to, options.delayMs);
      from.on('close', () => sockets.delete(from));
    }
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { address, port } = server.address() as AddressInfo;
      resolve({
        address,
        port,
        get connections() {
          return connections;
        },
        dropConnections,
        close: () =>
          new Promise((closed) => {
            server.close(() => closed());
            dropConnections();
          }),
      });
    });
  });
}

/** Timers of equal length fire in the order they were set, so bytes and the end of the stream keep theirs. */
function forward(from: Socket, to: Socket, delayMs: number): void {
  const later = (action: () => void) => setTimeout(() => to.destroyed || action(), delayMs);
  from.on('data', (data) => later(() => to.write(data)));
  from.on('end', () => later(() => to.end()));
  from.on('error', () => later(() => to.destroy()));
  from.on('close', () => later(() => to.destroySoon()));
}
