import { connect } from 'node:net';

export interface Patience {
  /** Until it is given up altogether. */
  readonly seconds: number;
  /** For one connection: a new one makes a slow machine start all over again, and keeps it busy with those nobody waits for. */
  readonly answerSeconds: number;
}

/** Returns once an ssh server at this address says its version. */
export async function waitForSsh(
  address: string,
  port: number,
  { seconds, answerSeconds }: Patience = { seconds: 60, answerSeconds: 1 },
): Promise<void> {
  const deadline = Date.now() + seconds * 1000;
  while (Date.now() < deadline) {
    if (await greets(address, port, answerSeconds * 1000)) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`no ssh server answered at ${address}:${port} within ${seconds} seconds`);
}

function greets(address: string, port: number, timeout: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, timeout });
    const finish = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('data', (data) => finish(data.toString('latin1').startsWith('SSH-2.0')));
    for (const event of ['error', 'timeout', 'close']) socket.once(event, () => finish(false));
  });
}
