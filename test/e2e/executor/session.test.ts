import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { connectLocal } from '../../../provider/connect/local.ts';
import type { ExecOutput } from '../../../provider/connect/connection.ts';
import { failure, problem, type Result } from '../../../provider/model/diagnostic.ts';
import { sh, type ShellText, word } from '../../../provider/model/shell.ts';
import { Between, codesOf, makeGround, must, openHere, own, section, textOf } from './fixture.ts';

const here = () => connectLocal({ connection: 'local', host: 'here', sudo: false });

test('what is asked within a moment travels as one batch, and everybody gets their own', async () => {
  const { session, events } = openHere(makeGround());
  const list = sh`printf '%s\n' "$@"`;
  const [a, b, c, d] = await Promise.all([
    session.write([own('same id', sh`give who a`)], [section('list', list, ['x', 'y'])]),
    session.write([own('same id', sh`give who b`), own('bad', sh`false`)]),
    session.read([section('list', list, ['y', 'z']), section('more', sh`echo more`)]),
    session.write([]),
  ]);
  expect(session.counters).toEqual({ connections: 0, readBatches: 0, writeBatches: 1 });
  expect(must(a).results.map(({ values }) => values)).toEqual([{ who: 'a' }]);
  expect(must(b).results.map(({ status }) => status)).toEqual(['same', 'failed']);
  expect(must(b).results[0]?.values).toEqual({ who: 'b' });
  expect(must(d)).toEqual({ results: [], sections: new Map() });
  expect(textOf(must(a).sections.get('list'))).toBe('x\ny\nz\n');
  expect([...must(c).keys()]).toEqual(['list', 'more']);
  expect(textOf(must(c).get('list'))).toBe('x\ny\nz\n');
  expect(events.map(({ type }) => type)).toEqual([
    'batch-started',
    'operation-finished',
    'operation-finished',
    'operation-finished',
    'batch-finished',
  ]);
});

test('what is asked while a batch runs forms the next one', async () => {
  const ground = makeGround();
  const { session } = openHere(ground);
  const first = session.write([own('slow', sh`: >${ground.at('on')}; sleep 0.3`)]);
  while (!existsSync(ground.path('on'))) await new Promise((resolve) => setTimeout(resolve, 5));
  const reads = [1, 2, 3].map(() => session.read([section('s', sh`echo s`)]));
  await new Promise((resolve) => setTimeout(resolve, 60));
  reads.push(session.read([section('s', sh`echo s`)]));
  for (const result of [await first, ...(await Promise.all(reads))]) expect(result.ok).toBe(true);
  expect(session.counters).toMatchObject({ readBatches: 1, writeBatches: 1 });
});

test('one name with two meanings does not travel together', async () => {
  const { session } = openHere(makeGround());
  const [a, b] = await Promise.all([
    session.read([section('s', sh`echo a`)]),
    session.read([section('s', sh`echo b`)]),
  ]);
  expect([textOf(must(a).get('s')), textOf(must(b).get('s'))]).toEqual(['a\n', 'b\n']);
  expect(session.counters.readBatches).toBe(2);
});

test('operations that make no sense are refused by themselves', async () => {
  const { session } = openHere(makeGround());
  const [twice, circle, fine] = await Promise.all([
    session.write([own('a', sh`true`), own('a', sh`true`)]),
    session.write([own('a', sh`true`, { needs: ['b'] }), own('b', sh`true`, { needs: ['a'] })]),
    session.write([own('a', sh`true`)]),
  ]);
  expect([codesOf(twice), codesOf(circle), fine.ok]).toEqual([
    ['operation-repeated'],
    ['operation-circle'],
    true,
  ]);
});

test('a section that fails or is too long is an error for those who asked for it', async () => {
  const { session } = openHere(makeGround(), { limits: { sectionBytes: 1000 } });
  const flood = sh`head -c "$1" /dev/zero`;
  const [failed, cut, full, fine] = await Promise.all([
    session.read([section('fails', sh`echo half; echo 'no such thing' >&2; exit 4`)]),
    session.read([section('cut', flood, ['1001'])]),
    session.read([section('full', flood, ['1000'])]),
    session.read([section('last test false', sh`echo fine; [ -e /does-not-exist ] && echo no`)]),
  ]);
  expect(codesOf(failed)).toEqual(['section-failed']);
  expect(failed.ok || failed.diagnostics[0]?.detail).toContain('no such thing');
  expect(codesOf(cut)).toEqual(['section-truncated']);
  expect(must(full).get('full')).toEqual(new Uint8Array(1000));
  expect(textOf(must(fine).get('last test false'))).toBe('fine\n');
  expect(session.counters.readBatches).toBe(1);
});

test('a section that was cut cannot pass as whole by what it shows', async () => {
  const { session } = openHere(makeGround(), { limits: { sectionBytes: 1000 } });
  const forger = sh`for n in 1 2 3 4 5 6 7 8 9 10; do printf '\\n%032d exit 000\\n%.0s' $(seq 500); done`;
  expect(codesOf(await session.read([section('s', forger)]))).toEqual(['section-truncated']);
});

test('large sections come back whole', async () => {
  const { session } = openHere(makeGround());
  const sections = must(await session.read([section('big', sh`head -c 9000001 /dev/zero | tr '\\0' a`)]));
  expect(sections.get('big')?.length).toBe(9_000_001);
  expect(sections.get('big')?.every((byte) => byte === 97)).toBe(true);
});

test('more output than a batch may have ends it', async () => {
  const { session } = openHere(makeGround(), { limits: { stdoutBytes: 100_000 } });
  const result = await session.read([section('big', sh`head -c 900000 /dev/zero`)]);
  expect(codesOf(result)).toEqual(['output-too-large']);
});

test('noise before the first line is passed over, lines with our nonce that are not ours are not', async () => {
  const noisy = (noise: string) =>
    new Between(here(), (inner, command, options) =>
      inner.exec(sh`echo ${sh`'0 changed 1 - -'`}; printf '\\033[1m banner without end'; ${command}`, {
        ...options,
        onStdout: (piece) => {
          options.onStdout?.(Buffer.from(noise));
          options.onStdout?.(piece);
        },
      }),
    );
  const token = 'feedfacefeedfacefeedfacefeedface';
  const write = async (noise: string) => {
    const { session } = openHere(makeGround(), { connection: noisy(noise), tokens: () => token });
    return session.write([own('a', sh`true`)]);
  };
  const quiet = await write('\n0 failed 1 - -\nfeedface 0 failed 1 - -\n');
  expect([must(quiet).results[0]?.status, quiet.ok && quiet.warnings]).toEqual(['same', []]);
  for (const forged of ['0 fine 1 - -', '7 same 1 - -', 'section x -', '0 same 1 - !', 'section']) {
    expect(codesOf(await write(`\n${token} ${forged}\n`))).toContain('protocol-error');
  }
});

test('noise that does not end its line takes nothing with it, and a flood of lines that are not ours is told in a few', async () => {
  const token = 'feedfacefeedfacefeedfacefeedface';
  const behind = (noise: string) =>
    new Between(here(), (inner, command, options) =>
      inner.exec(sh`printf ${word(noise)}; ${command}`, options),
    );
  const read = (noise: string) => {
    const { session } = openHere(makeGround(), { connection: behind(noise), tokens: () => token });
    return session.read([{ ...section('s', sh`echo fine`), packed: true }]);
  };
  expect(textOf(must(await read('\\033]0;a title\\007')).get('s'))).toBe('fine\n');
  const flooded = await read(`${`${token} x\\n`.repeat(3000)}`);
  expect(flooded.ok).toBe(true);
  expect(codesOf(flooded).length).toBeGreaterThan(1);
  expect(codesOf(flooded).length).toBeLessThan(30);
});

test('what one section does takes no other with it', async () => {
  const { session } = openHere(makeGround(), { limits: { readTimeoutSeconds: 6 } });
  const packing = (name: string, body: ShellText) => ({ ...section(name, body), packed: true });
  const [fine, hangs] = await Promise.all([
    session.read([packing('fine', sh`echo fine`)]),
    session.read([packing('hangs', sh`echo before; sleep 60`)]),
  ]);
  expect(textOf(must(fine).get('fine'))).toBe('fine\n');
  expect(codesOf(hangs)).toEqual(['command-timeout']);
});

test('a host that is busy says so before anything is packed', async () => {
  const ground = makeGround();
  const { session } = openHere(ground);
  const writing = session.write([
    own('slow', sh`: >${ground.at('on')}; until [ -e ${ground.at('off')} ]; do sleep 0.05; done`),
  ]);
  while (!existsSync(ground.path('on'))) await new Promise((resolve) => setTimeout(resolve, 5));
  const other = openHere(ground, { limits: { lockWaitSeconds: 1 } });
  expect(codesOf(await other.session.read([{ ...section('s', sh`echo s`), packed: true }]))).toEqual([
    'host-busy',
  ]);
  writeFileSync(ground.path('off'), '');
  must(await writing);
});

test('a batch killed in the middle: what is not known is unknown, and the next one carries on', async () => {
  const ground = makeGround();
  mkdirSync(ground.roots.state);
  const { session, events } = openHere(ground);
  const operations = (kill: boolean) => [
    own('a', sh`[ -e ${ground.at('a')} ] || { : >${ground.at('a')}; changed; }`),
    own('b', kill ? sh`kill -9 $$; sleep 0.2` : sh`changed`, { needs: ['a'] }),
    own('c', sh`changed`, { needs: ['b'] }),
  ];
  const killed = await session.write(operations(true), [section('s', sh`echo s`)]);
  expect(must(killed).results.map(({ status, code }) => [status, code])).toEqual([
    ['changed', undefined],
    ['unknown', 'no-result'],
    ['unknown', 'no-result'],
  ]);
  expect(codesOf(killed)).toEqual(['batch-cut-short']);
  expect(must(killed).sections.size).toBe(0);
  expect(events.some(({ type }) => type === 'host-failed')).toBe(true);
  const again = must(await session.write(operations(false)));
  expect(again.results.map(({ status }) => status)).toEqual(['same', 'changed', 'changed']);
  expect(readdirSync(ground.directory).sort()).toEqual(['a', 'run', 'state']);
});

test('stopped by its caller: the step that runs is ended, and nothing follows', async () => {
  const ground = makeGround();
  const controller = new AbortController();
  const { session } = openHere(ground, { signal: controller.signal });
  const running = session.write([
    own('a', sh`: >${ground.at('a')}; sleep 1000`),
    own('b', sh`: >${ground.at('b')}`),
  ]);
  while (!existsSync(ground.path('a'))) await new Promise((resolve) => setTimeout(resolve, 5));
  controller.abort();
  expect(codesOf(await running)).toEqual(['aborted']);
  expect(codesOf(await session.write([own('c', sh`true`)]))).toEqual(['aborted']);
  expect(readdirSync(ground.directory)).toEqual(['a']);
});

function flaky(failures: number, code: string, started = false) {
  let calls = 0;
  const connection = new Between(here(), async (inner, command, options): Promise<Result<ExecOutput>> => {
    calls++;
    if (calls > failures) return inner.exec(command, options);
    if (started) await options.stdin?.[Symbol.asyncIterator]().next();
    return failure(problem(code, 'for the test'));
  });
  return { connection, calls: () => calls };
}

test.each([
  ['a connection that comes up at the third try', 2, 'host-unreachable', false, 3, true],
  ['one that does not come up', 9, 'host-unreachable', false, 3, false],
  ['a wrong host key', 9, 'host-key-changed', false, 1, false],
  ['a batch that may have started', 1, 'connection-lost', true, 1, true],
])('retries: %s', async (_, failures, code, started, calls, ok) => {
  const waits: number[] = [];
  const flawed = flaky(failures, code, started);
  const { session } = openHere(makeGround(), {
    connection: flawed.connection,
    retry: { random: () => 1, sleep: async (wait) => void waits.push(wait) },
  });
  const result = await session.write([own('a', sh`true`)]);
  expect([flawed.calls(), result.ok, ok ? [] : codesOf(result)]).toEqual([calls, ok, ok ? [] : [code]]);
  expect(waits).toEqual([500, 1000].slice(0, calls - 1));
});

test('a bug in a connection reaches every caller, and the session goes on', async () => {
  let first = true;
  const connection = new Between(here(), async (inner, command, options) => {
    if (!first) return inner.exec(command, options);
    first = false;
    throw new Error('a bug');
  });
  const { session } = openHere(makeGround(), { connection });
  const both = await Promise.allSettled([session.read([]), session.write([own('a', sh`true`)])]);
  expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect((await session.write([own('a', sh`true`)])).ok).toBe(true);
});

test('closing lets what was asked end, and refuses what comes after', async () => {
  let closed = 0;
  const inner = here();
  const connection = new Between(inner, (_, command, options) => inner.exec(command, options));
  connection.close = async () => {
    closed++;
    await inner.close();
  };
  const { session } = openHere(makeGround(), { connection });
  const asked = session.write([own('a', sh`changed`)]);
  const closing = [session.close(), session.close()];
  expect(codesOf(await session.read([section('s', sh`true`)]))).toEqual(['session-closed']);
  expect(must(await asked).results[0]?.status).toBe('changed');
  await Promise.all(closing);
  expect(closed).toBe(1);
});

test('a login that is not root runs nothing', async () => {
  const ground = makeGround();
  const connection = new Between(here(), (inner, command, options) =>
    inner.exec(sh`exec setpriv --reuid=65534 --clear-groups /bin/sh -c ${word(command.text)}`, options),
  );
  const { session } = openHere(ground, { connection });
  expect(codesOf(await session.write([own('a', sh`true`)]))).toEqual(['not-root']);
  expect(codesOf(await session.read([section('s', sh`true`)]))).toEqual(['not-root']);
  expect(readdirSync(ground.directory)).toEqual([]);
});

test('what waits for the lock when the connection goes may run yet: it is unknown, not "never begun"', async () => {
  const ground = makeGround();
  const holding = openHere(ground).session.write([own('hold', sh`: >${ground.at('held')}; sleep 1`)]);
  while (!existsSync(ground.path('held'))) await new Promise((resolve) => setTimeout(resolve, 20));
  const ended: Promise<unknown>[] = [];
  const lost = new Between(here(), async (inner, command, options): Promise<Result<ExecOutput>> => {
    ended.push(inner.exec(command, options));
    await new Promise((resolve) => setTimeout(resolve, 300));
    return failure(problem('connection-lost', 'for the test'));
  });
  const { session } = openHere(ground, { connection: lost });
  const outcome = must(await session.write([own('late', sh`: >${ground.at('late')}`)]));
  expect(outcome.results.map(({ status, code }) => [status, code])).toEqual([['unknown', 'no-result']]);
  expect(existsSync(ground.path('late'))).toBe(false);
  await Promise.all([holding, ...ended]);
  expect(existsSync(ground.path('late'))).toBe(true);
});
