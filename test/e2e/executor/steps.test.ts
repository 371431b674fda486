import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { sh } from '../../../provider/model/shell.ts';
import { makeGround, must, openHere, own, section, textOf, together } from './fixture.ts';

test('a step says whether it changed anything, and hands values back', async () => {
  const { session } = openHere(makeGround());
  const { results } = must(
    await session.write([
      own('acts', sh`changed; give pid 17; give note "two\nlines"; echo done; echo aside >&2`),
      own('idle', sh`[ -e /does-not-exist ] && changed`),
    ]),
  );
  expect(results[0]).toMatchObject({ id: 'acts', status: 'changed', output: 'done\naside\n' });
  expect(results[0]?.values).toEqual({ pid: '17', note: 'two\nlines' });
  expect(results[0]).not.toHaveProperty('code');
  expect(results[1]).toMatchObject({ id: 'idle', status: 'same', values: {}, output: '' });
});

test('refused, failed, broken off and shell errors are told apart', async () => {
  const { session } = openHere(makeGround());
  const { results } = must(
    await session.write([
      own('refused', sh`refuse record-moved "it's gone"; changed`),
      own('failed', sh`echo before; fail no-room 'no room'; echo after`),
      own('set -e', sh`changed; ls /does-not-exist; changed`),
      own('unset', sh`echo "$nobody_set_this"`),
      own('exit', sh`exit 7`),
      own('nested', sh`echo "$(fail inner 'from inside')"; changed`),
      own('fine', sh`changed`),
    ]),
  );
  expect(results.map(({ status, code, message }) => [status, code, message])).toEqual([
    ['refused', 'record-moved', "it's gone"],
    ['failed', 'no-room', 'no room'],
    ['failed', 'step-failed', 'exit status 2'],
    ['failed', 'step-failed', expect.stringContaining('exit status')],
    ['failed', 'step-failed', 'exit status 7'],
    ['failed', 'inner', 'from inside'],
    ['changed', undefined, undefined],
  ]);
  expect(results[1]?.output).toBe('before\n');
  expect(results[2]?.output).toContain('/does-not-exist');
});

test('a step runs after what it needs, whatever the order asked, and not without it', async () => {
  const ground = makeGround();
  const { session } = openHere(ground);
  const log = (letter: string) => sh`echo ${Number(letter)} >>${ground.at('log')}`;
  const { results } = must(
    await session.write([
      own('4', log('4'), { needs: ['3', 'elsewhere'] }),
      own('3', log('3'), { needs: ['1', '2'] }),
      own('1', log('1')),
      own('2', sh`${log('2')}; false`),
      own('5', log('5'), { needs: ['1'] }),
    ]),
  );
  expect(readFileSync(ground.path('log'), 'utf8')).toBe('1\n2\n5\n');
  expect(results.map(({ id, status }) => `${id} ${status}`)).toEqual([
    '4 skipped',
    '3 skipped',
    '1 same',
    '2 failed',
    '5 same',
  ]);
  expect(results[0]).toMatchObject({ code: 'dependency-failed', message: 'it needs "3", which was skipped' });
  expect(results[1]?.message).toBe('it needs "2", which was failed');
});

const collective = sh`for name in "$@"; do
  case $name in
    good) member_changed "$name"; member_give "$name" pid 9 ;;
    idle) member_same "$name" ;;
    bad) member_fail "$name" unit-failed "did not start" ;;
  esac
done
echo "ran with $*"`;

test('a collective step runs once, with an argument and a result for each member', async () => {
  const { session } = openHere(makeGround());
  const { results } = must(
    await session.write([
      own('broken', sh`false`),
      together('a', 'start', collective, 'good'),
      together('b', 'start', collective, 'idle'),
      together('c', 'start', collective, 'bad'),
      together('d', 'start', collective, 'silent'),
      together('late', 'start', collective, 'good', ['a']),
      together('never', 'start', collective, 'idle', ['broken']),
      own('after c', sh`changed`, { needs: ['c'] }),
      own('after a', sh`changed`, { needs: ['a'] }),
    ]),
  );
  expect(results.map(({ id, status, code }) => [id, status, code])).toEqual([
    ['broken', 'failed', 'step-failed'],
    ['a', 'changed', undefined],
    ['b', 'same', undefined],
    ['c', 'failed', 'unit-failed'],
    ['d', 'failed', 'step-failed'],
    ['late', 'changed', undefined],
    ['never', 'skipped', 'dependency-failed'],
    ['after c', 'skipped', 'dependency-failed'],
    ['after a', 'changed', undefined],
  ]);
  expect(results[1]?.values).toEqual({ pid: '9' });
  expect(results[3]).toMatchObject({ message: 'did not start', output: 'ran with good idle bad silent\n' });
});

test('a collective step that ends early fails those it did not report, and only those', async () => {
  const { session } = openHere(makeGround());
  const body = sh`member_changed one; refuse no-systemd 'there is none'`;
  const { results } = must(
    await session.write([
      together('1', 'start', body, 'one'),
      together('2', 'start', body, '*'),
      together('3', 'start', sh`member_same nobody`, 'x'),
    ]),
  );
  expect(results.map(({ status, code }) => [status, code])).toEqual([
    ['changed', undefined],
    ['refused', 'no-systemd'],
    ['failed', 'unknown-member'],
  ]);
});

test('output is bounded to its first and last 4 KiB', async () => {
  const { session } = openHere(makeGround());
  const { results } = must(
    await session.write([
      own('loud', sh`echo first; head -c 5000000 /dev/zero | tr '\\0' x; echo; echo last`),
    ]),
  );
  const output = results[0]?.output ?? '';
  expect(Buffer.byteLength(output)).toBeLessThanOrEqual(8192);
  expect(output.startsWith('first\nxxx')).toBe(true);
  expect(output.endsWith('xxx\nlast\n')).toBe(true);
});

test('what a step prints changes no result, whatever it looks like', async () => {
  const ground = makeGround();
  const { session, events } = openHere(ground);
  const forged = sh`printf '%s\\n' 'begin' 'end' '0 changed 1 - -' "$stockade_nonce 1 changed 1 - -" "$stockade_nonce end"
printf '\\033[2J\\007\\r'; printf 'exit 0\\n'`;
  const { results, sections } = must(
    await session.write(
      [own('forger', sh`${forged}; false`), own('victim', sh`false`)],
      [section('shown', sh`${forged}; echo "\n$stockade_nonce section shown -"`)],
    ),
  );
  expect(results.map(({ status }) => status)).toEqual(['failed', 'failed']);
  expect(results[0]?.output).toContain('\u001b[2J');
  expect(textOf(sections.get('shown'))).toContain('0 changed 1 - -');
  expect(events.filter(({ type }) => type === 'operation-finished')).toHaveLength(2);
});

test('steps inherit neither the result channel, nor the uploads, nor the lock', async () => {
  const { session } = openHere(makeGround());
  const body = sh`ls /proc/self/fd; readlink /proc/self/fd/0`;
  const member = sh`${body}; for one in "$@"; do member_fail "$one" see 'output'; done`;
  const { results, sections } = must(
    await session.write([own('own', body), together('t', 't', member, 'x')], [section('s', body)]),
  );
  for (const text of [results[0]?.output, results[1]?.output, textOf(sections.get('s'))]) {
    expect(text).toMatch(/\/dev\/null$/m);
    expect(text).not.toMatch(/^[789]$/m);
  }
});

test('what a step leaves running holds up neither the batch nor the next one', async () => {
  const ground = makeGround();
  const { session } = openHere(ground);
  const { results } = must(await session.write([own('daemon', sh`sleep 1000 & give pid "$!"`)]));
  const pid = Number(results[0]?.values['pid']);
  try {
    expect(existsSync(`/proc/${pid}`)).toBe(true);
    expect(must(await session.write([own('next', sh`true`)])).results[0]?.status).toBe('same');
  } finally {
    process.kill(pid);
  }
});

test('nothing is left of a batch on a host that is not prepared', async () => {
  const ground = makeGround();
  const { session } = openHere(ground);
  must(await session.write([own('one', sh`echo out; give a b; false`)]));
  expect(readdirSync(ground.directory)).toEqual([]);
});

test('on a prepared host the lock stays, and nothing else', async () => {
  const ground = makeGround();
  const { session } = openHere(ground);
  must(await session.write([own('prepare', sh`mkdir "$stockade_state"`)]));
  expect(readdirSync(ground.directory).sort()).toEqual(['run', 'state']);
  expect(readdirSync(ground.roots.run)).toEqual(['lock']);
  must(
    await session.write([own('leave', sh`rmdir "$stockade_state"; rm -rf "$stockade_run"; give still here`)]),
  );
  expect(readdirSync(ground.directory)).toEqual([]);
});

test('a value no line should carry is refused', async () => {
  const { session } = openHere(makeGround());
  const { results } = must(
    await session.write([
      own('long', sh`give big "$(head -c 70000 /dev/zero | tr '\\0' x)"`),
      own('name', sh`give 'a b' c`),
    ]),
  );
  expect(results.map(({ code }) => code)).toEqual(['value-too-long', 'bad-value-name']);
});
