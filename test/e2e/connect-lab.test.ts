import { afterEach, describe, expect, it } from 'vitest';
import type { OpensshTarget, SshTarget } from '../../provider/connect/target.ts';
import { sh } from '../../provider/model/shell.ts';
import { useLab } from '../lab/vitest.ts';
import { by, closeAll, failed, kinds, limits, open, succeeded, text } from './connect.fixture.ts';

const running = useLab({ hosts: 1, name: 'connect' });
afterEach(closeAll);

describe.each(kinds)('by %s, on a host of its own', (kind) => {
  function target(user: 'root' | 'operator' | 'plain', sudo: boolean): SshTarget | OpensshTarget {
    const { host } = running;
    const ssh2: SshTarget = {
      connection: 'ssh2',
      host: host.name,
      address: host.address,
      port: host.port,
      user,
      trust: { kind: 'known-hosts', files: [host.knownHostsFile] },
      identities: [{ kind: 'key-file', path: host.keyFile }],
      sudo,
      connectTimeoutSeconds: 20,
    };
    return by(kind, ssh2);
  }

  it('root needs no sudo, and a user who may has it', async () => {
    for (const [user, sudo] of [
      ['root', false],
      ['root', true],
      ['operator', true],
    ] as const) {
      const output = succeeded(
        await open(target(user, sudo)).exec(sh`id -u; cat; echo "it's fine" >&2; exit 5`, limits),
      );
      expect(output).toMatchObject({ exitCode: 5, interrupted: false });
      expect([text(output.stdout), text(output.stderr)]).toEqual(['0\n', "it's fine\n"]);
    }
  });

  it('sudo that is not allowed, or not asked for, runs nothing', async () => {
    const create = (user: 'operator' | 'plain', sudo: boolean) =>
      open(target(user, sudo)).exec(sh`touch /tmp/must-not-be`, limits);
    expect(failed(await create('plain', true))).toMatchObject({ code: 'sudo-refused', host: 'h1' });
    expect(failed(await create('plain', false))).toMatchObject({ code: 'not-root', host: 'h1' });
    expect(failed(await create('operator', false))).toMatchObject({ code: 'not-root', host: 'h1' });
    const look = succeeded(await open(target('root', false)).exec(sh`test ! -e /tmp/must-not-be`, limits));
    expect(look.exitCode).toBe(0);
  });

  it('what sudo started is ended at the time-out, as root', async () => {
    const connection = open(target('operator', true));
    let pids = '';
    const result = await connection.exec(sh`sleep 4711 & echo $$ $!; sleep 4712; echo`, {
      ...limits,
      timeoutSeconds: 2,
      onStdout: (piece) => (pids += text(piece)),
    });
    expect(failed(result)).toMatchObject({ code: 'command-timeout', detail: 'It was ended on the host.' });
    expect(pids).toMatch(/^\d+ \d+\n$/);
    const look = sh`for turn in 1 2 3 4 5 6 7 8 9; do pgrep -x sleep -a | grep 471 || exit 0; sleep 0.5; done; exit 1`;
    expect(succeeded(await connection.exec(look, limits)).exitCode).toBe(0);
  });

  it('stdin reaches a command under sudo whole', async () => {
    async function* megabytes() {
      for (let index = 0; index < 80; index++) yield Buffer.alloc(100_000, index);
    }
    const output = succeeded(
      await open(target('operator', true)).exec(sh`wc -c`, { ...limits, stdin: megabytes() }),
    );
    expect(text(output.stdout).trim()).toBe('8000000');
  });
});
