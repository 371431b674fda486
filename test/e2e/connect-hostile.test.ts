import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ssh2 from 'ssh2';
import type { Connection as ServerConnection, ServerChannel } from 'ssh2';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { OpensshTarget, SshTarget } from '../../provider/connect/target.ts';
import { sh } from '../../provider/model/shell.ts';
import {
  by,
  closeAll,
  failed,
  type Kind,
  kinds,
  limits,
  Listener,
  open,
  Sshd,
  succeeded,
  text,
} from './connect.fixture.ts';

/** Only for its keys: the servers here are bent on purpose, which a real sshd is not. */
let keys: Sshd;
const listeners: Listener[] = [];

beforeAll(async () => {
  keys = await Sshd.start(['ed25519']);
});
afterEach(async () => {
  await closeAll();
  await Promise.all(listeners.splice(0).map((listener) => listener.stop()));
});
afterAll(() => keys.stop());

interface Behaviour {
  /** @default let in */
  readonly login?: 'never answered';
  readonly exec?: (accept: () => ServerChannel, command: string, connection: ServerConnection) => void;
}

/** A server of ssh2's own making that behaves as told; counts the commands it got. */
async function serve(
  kind: Kind,
  behaviour: Behaviour,
): Promise<{ target: SshTarget | OpensshTarget; commands: () => number }> {
  let commands = 0;
  const hostKeys = [readFileSync(join(keys.directory, 'host_ed25519'))];
  const server = new ssh2.Server({ hostKeys }, (connection) => {
    connection.on('error', () => undefined);
    connection.on('authentication', (context) => {
      if (behaviour.login === undefined) context.accept();
    });
    connection.on('session', (acceptSession) => {
      acceptSession().on('exec', (accept, _reject, info) => {
        commands++;
        behaviour.exec?.(accept, info.command, connection);
      });
    });
  });
  const listener = await Listener.start((socket) => server.injectSocket(socket));
  listeners.push(listener);
  return {
    target: by(kind, keys.target({ port: listener.port, connectTimeoutSeconds: 1 })),
    commands: () => commands,
  };
}

const announce = (command: string) => `${/stockade-[0-9a-f]{32}/.exec(command)?.[0] ?? ''} 4194304\n`;

describe.each(kinds)('by %s: a host that means no good', (kind) => {
  it('cannot hold us at the login', async () => {
    const { target } = await serve(kind, { login: 'never answered' });
    const diagnostic = failed(await open(target).exec(sh`true`, limits));
    expect(diagnostic.code).toBe('host-unreachable');
    expect(diagnostic.summary).toContain('does not complete the login within 1 s');
  });

  it('cannot make us send a command twice by not answering it', async () => {
    const { target, commands } = await serve(kind, { exec: () => undefined });
    const connection = open(target);
    const diagnostic = failed(await connection.exec(sh`true`, limits));
    expect(diagnostic).toMatchObject({ code: 'connection-lost', host: 'hv1' });
    expect(diagnostic.detail).toContain('Whether the command ran is not known');
    expect([commands(), connection.counters.connections]).toEqual([1, 1]);
  });

  it('cannot make us send a command twice by hanging up on it', async () => {
    const { target, commands } = await serve(kind, {
      exec: (_accept, _command, connection) => connection.end(),
    });
    const connection = open(target);
    expect(failed(await connection.exec(sh`true`, limits)).code).toBe('connection-lost');
    expect([commands(), connection.counters.connections]).toEqual([1, 1]);
  });

  it('cannot fill our memory, nor pass for a command that ran', async () => {
    const { target } = await serve(kind, {
      exec: (accept) => {
        const channel = accept();
        for (let turn = 0; turn < 200; turn++) channel.stderr.write(Buffer.alloc(100_000, 'x'));
        channel.exit(0);
        channel.end();
      },
    });
    const diagnostic = failed(await open(target).exec(sh`true`, limits));
    expect(diagnostic.code).toBe('shell-refused');
    expect(JSON.stringify(diagnostic).length).toBeLessThan(10_000);
  });

  it('is believed an exit status only when there is one', async () => {
    const { target } = await serve(kind, {
      exec: (accept, command) => {
        const channel = accept();
        channel.stderr.write(announce(command));
        channel.write('half a res');
        channel.end();
      },
    });
    const output = succeeded(await open(target).exec(sh`true`, limits));
    expect(output).toMatchObject({ exitCode: undefined, interrupted: true });
    expect(text(output.stdout)).toBe('half a res');
  });

  it('that never ends a command, and nothing we send to end it, is let go of', async () => {
    const { target } = await serve(kind, {
      exec: (accept, command) => {
        accept().stderr.write(announce(command));
      },
    });
    const diagnostic = failed(await open(target).exec(sh`true`, { ...limits, timeoutSeconds: 0.5 }));
    expect(diagnostic).toMatchObject({
      code: 'command-timeout',
      detail: 'It may still be running on the host.',
    });
  });
});
