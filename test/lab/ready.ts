import { connect } from 'node:net';

const patienceSeconds = 60;

/** Returns once an ssh server at this address says its version. */
export async function waitForSsh(address: string, port: number): Promise<void> {
  const deadline = Date.now() + patienceSeconds * 1000;
  while (Date.now() < deadline) {
    if (await greets(address, port)) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`no ssh server answered at ${address}:${port} within ${patienceSeconds} seconds`);
}

function greets(address: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, timeout: 1000 });
    const finish = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('data', (data) => finish(data.toString('latin1').startsWith('SSH-2.0')));
    for (const event of ['error', 'timeout', 'close']) socket.once(event, () => finish(false));
  });
}
