import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { Identity } from '../../provider/connect/target.ts';
import { sh } from '../../provider/model/shell.ts';
import { closeAll, limits, Listener, makeKey, open, Sshd, startAgent, succeeded } from './connect.fixture.ts';

/** What ssh2 would wait for by itself, and need not: see provider/connect/fewer-answers.ts. */
const keyKinds = ['ed25519', 'ecdsa', 'rsa'] as const;
let sshd: Sshd;
const listeners: Listener[] = [];

beforeAll(async () => {
  sshd = await Sshd.start([...keyKinds], ['LogLevel DEBUG3', 'MaxAuthTries 20']);
  const authorized = keyKinds.map((kind) => {
    makeKey(join(sshd.directory, kind), kind);
    return readFileSync(join(sshd.directory, `${kind}.pub`), 'utf8');
  });
  const client = readFileSync(`${sshd.clientKey}.pub`, 'utf8');
  sshd.file('authorized_keys', [client, ...authorized].join(''));
});
afterEach(async () => {
  await closeAll();
  await Promise.all(listeners.splice(0).map((listener) => listener.stop()));
});
afterAll(() => sshd.stop());

const keyFile = (name: string): Identity => ({ kind: 'key-file', path: join(sshd.directory, name) });

/** What the server has logged while this ran. */
async function logOf(action: () => Promise<unknown>): Promise<string> {
  const before = sshd.log().length;
  await action();
  return sshd.log().slice(before);
}

const newKeys = 21;

/** Whether a stream of SSH packets that are in the clear has come to the message after which none is, and to one more. */
function isKeyed(stream: Buffer): boolean {
  for (let at = stream.indexOf('\r\n') + 2; at > 1 && at + 6 <= stream.length; ) {
    const next = at + 4 + stream.readUInt32BE(at);
    if (stream[at + 5] === newKeys) return stream.length > next;
    at = next;
  }
  return false;
}

/**
 * In front of the server, and keeps back all that it says once keys are agreed upon and its EXT_INFO has come, until the client has
 * sent so many bytes more. One that waits for an answer waits for ever.
 */
async function silentUntil(bytes: number): Promise<number> {
  const listener = await Listener.start((client) => {
    const server = connect(sshd.port, '127.0.0.1').on('error', () => undefined);
    const held: Buffer[] = [];
    let said = Buffer.alloc(0);
    let left: number | undefined;
    client.on('data', (data) => {
      server.write(data);
      if (left === undefined) return;
      left -= data.length;
      if (left <= 0) for (const piece of held.splice(0)) client.write(piece);
    });
    server.on('data', (data) => {
      if (left !== undefined && left > 0) {
        held.push(data);
        return;
      }
      client.write(data);
      if (left !== undefined) return;
      said = Buffer.concat([said, data]);
      if (isKeyed(said)) left = bytes;
    });
    client.on('close', () => server.destroy());
    server.on('close', () => client.destroy());
  });
  listeners.push(listener);
  return listener.port;
}

// NEWKEYS, the request for the service and the unsigned question have some 220, 280 and 560 bytes, with a signature 300, 370 and 950.
it.each([
  ['ed25519', 290],
  ['ecdsa', 330],
  ['rsa', 900],
])('a login by a key of type %s is sent without a word from the server between', async (kind, bytes) => {
  const port = await silentUntil(bytes);
  const target = sshd.target({ port, identities: [keyFile(kind)], connectTimeoutSeconds: 5 });
  succeeded(await open(target).exec(sh`true`, limits));
});

it.each(keyKinds)('a key of type %s signs at once', async (kind) => {
  const log = await logOf(async () => {
    succeeded(await open(sshd.target({ identities: [keyFile(kind)] })).exec(sh`true`, limits));
  });
  expect(log).toContain('Accepted publickey for root');
  expect(log).not.toContain('Postponed publickey');
});

it('keys are still tried in their order, each once', async () => {
  const strangers = ['s1', 's2'].map((name) => {
    makeKey(join(sshd.directory, name), 'ed25519');
    return keyFile(name);
  });
  const log = await logOf(async () => {
    const identities = [...strangers, keyFile('rsa'), keyFile('ed25519')];
    succeeded(await open(sshd.target({ identities })).exec(sh`true`, limits));
  });
  expect(log.match(/Failed publickey for root/g)).toHaveLength(2);
  expect(log).toMatch(/Accepted publickey for root .*: RSA /);
});

it('an agent is asked to sign by no key but the one that will do', async () => {
  const socket = join(sshd.directory, 'agent');
  const agent = await startAgent(socket);
  try {
    makeKey(join(sshd.directory, 'stranger'), 'ed25519');
    for (const name of ['stranger', 'ed25519']) {
      const environment = { ...process.env, SSH_AUTH_SOCK: socket };
      execFileSync('ssh-add', ['-q', join(sshd.directory, name)], { env: environment, stdio: 'ignore' });
    }
    const log = await logOf(async () => {
      const identities: Identity[] = [{ kind: 'agent', socket }];
      succeeded(await open(sshd.target({ identities })).exec(sh`true`, limits));
    });
    // one is asked about and refused, one is asked about and then signs; the server verifies no other signature
    expect(log.match(/Failed publickey for root/g)).toHaveLength(1);
    expect(log.match(/Postponed publickey for root/g)).toHaveLength(1);
    expect(log.match(/Accepted publickey for root/g)).toHaveLength(1);
    expect(log.match(/userauth_pubkey: valid user root querying/g)).toHaveLength(2);
  } finally {
    agent.kill();
  }
});

it('the server is not asked to prove its other host keys', async () => {
  const log = await logOf(async () => {
    succeeded(await open(sshd.target()).exec(sh`true`, limits));
  });
  // it has told of them: the negative control
  expect(log).toMatch(/sent 3 hostkeys/);
  expect(log).not.toContain('hostkeys-prove-00@openssh.com');
});
