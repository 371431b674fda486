import { afterEach, describe, expect, it } from 'vitest';
import { sh, word } from '../../provider/model/shell.ts';
import { closeAll, failed, isAlive, limits, open, sleep, succeeded, text } from './connect.fixture.ts';

afterEach(closeAll);

const here = (sudo = false) => open({ connection: 'local', host: 'here', sudo });

async function allGone(pids: readonly number[]): Promise<void> {
  for (let turn = 0; pids.some(isAlive); turn++) {
    if (turn > 200) throw new Error(`still there: ${pids.join(' ')}`);
    await sleep(25);
  }
}

describe.each([false, true])('commands on this machine, sudo %s', (sudo) => {
  it('give back exit status, stdout and stderr', async () => {
    const connection = here(sudo);
    const output = succeeded(
      await connection.exec(sh`id -u; cat; echo ${word("it's $HOME")} >&2; exit 3`, limits),
    );
    expect(output).toMatchObject({ exitCode: 3, signal: undefined, interrupted: false });
    expect([text(output.stdout), text(output.stderr)]).toEqual(['0\n', "it's $HOME\n"]);
    expect(connection.counters).toEqual({ connections: 0, commands: 1 });
  });

  it('get their stdin whole', async () => {
    async function* megabytes() {
      for (let index = 0; index < 80; index++) yield Buffer.alloc(100_000, index);
    }
    const output = succeeded(await here(sudo).exec(sh`sleep 0.2; wc -c`, { ...limits, stdin: megabytes() }));
    expect(text(output.stdout).trim()).toBe('8000000');
  });

  it('are ended at the time-out, with all they started', async () => {
    let said = '';
    const result = await here(sudo).exec(sh`sleep 4711 & echo $$ $!; sleep 4712; echo more`, {
      ...limits,
      timeoutSeconds: 1,
      onStdout: (piece) => (said += text(piece)),
    });
    expect(failed(result)).toMatchObject({
      code: 'command-timeout',
      host: 'here',
      detail: 'It was ended on the host.',
    });
    const pids = said.trim().split(' ').map(Number);
    expect(pids).toHaveLength(2);
    await allGone(pids);
  });

  it('are ended even when they will not hear of it', async () => {
    let said = '';
    const result = await here(sudo).exec(sh`trap '' TERM; echo $$; while :; do sleep 0.2; done`, {
      ...limits,
      timeoutSeconds: 1,
      onStdout: (piece) => (said += text(piece)),
    });
    expect(failed(result).code).toBe('command-timeout');
    await allGone([Number(said)]);
  });

  it('are ended when they say too much, or are called off', async () => {
    expect(failed(await here(sudo).exec(sh`yes`, limits)).code).toBe('output-too-large');
    const abort = new AbortController();
    const onStdout = () => abort.abort();
    const result = await here(sudo).exec(sh`echo on; sleep 600`, {
      ...limits,
      onStdout,
      signal: abort.signal,
    });
    expect(failed(result).code).toBe('aborted');
  });
});

it('a command is not started after close, or when called off before', async () => {
  const connection = here();
  const signal = AbortSignal.abort();
  expect(failed(await connection.exec(sh`true`, { ...limits, signal })).code).toBe('aborted');
  await connection.close();
  expect(failed(await connection.exec(sh`true`, limits)).code).toBe('aborted');
  expect(connection.counters.commands).toBe(0);
});
