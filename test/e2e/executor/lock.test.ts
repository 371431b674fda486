import { spawn, type ChildProcess } from 'node:child_process';
import { chownSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { sh } from '../../../provider/model/shell.ts';
import { codesOf, makeGround, must, openHere, own, section, textOf, type Ground } from './fixture.ts';

function prepared(): Ground {
  const ground = makeGround();
  mkdirSync(ground.roots.run, { mode: 0o700 });
  mkdirSync(ground.roots.state);
  return ground;
}

/** Another process that holds the host's lock, until it is killed. */
async function hold(ground: Ground, kind: '-x' | '-s'): Promise<ChildProcess> {
  const lock = `${ground.roots.run}/lock`;
  writeFileSync(lock, 'somebody else, since noon\n', { flag: 'a' });
  const child = spawn('flock', [kind, lock, 'sh', '-c', 'echo held; exec sleep 1000'], { detached: true });
  const group = child.pid;
  onTestFinished(() => {
    if (group !== undefined && child.exitCode === null && child.signalCode === null) process.kill(-group);
  });
  await new Promise((resolve) => child.stdout.once('data', resolve));
  return child;
}

test('two sessions on one host: batches exclude each other', async () => {
  const ground = prepared();
  const body = sh`read -r n <${ground.at('count')}; sleep 0.05; echo "$((n + 1))" >${ground.at('count')}`;
  writeFileSync(ground.path('count'), '0\n');
  const outcomes = await Promise.all(
    [1, 2, 3, 4].map(() => openHere(ground).session.write([own('count', body)])),
  );
  for (const outcome of outcomes) expect(must(outcome).results[0]?.status).toBe('same');
  expect(readFileSync(ground.path('count'), 'utf8')).toBe('4\n');
});

test("sessions that come and go on a host without anything of ours do not trip over the lock's removal", async () => {
  const ground = makeGround();
  const many = Array.from({ length: 12 }, (_, index) => index);
  const outcomes = await Promise.all(
    many.map(async (index) => {
      const { session } = openHere(ground);
      if (index % 3 === 0) return textOf(must(await session.read([section('s', sh`echo fine`)])).get('s'));
      const body = sh`mkdir ${ground.at('only')}; rmdir ${ground.at('only')}`;
      return must(await session.write([own('one', body)])).results[0]?.status;
    }),
  );
  expect(outcomes).toEqual(many.map((index) => (index % 3 === 0 ? 'fine\n' : 'same')));
  expect(readdirSync(ground.directory)).toEqual([]);
});

test('a lock that stays held: nothing is run, and the diagnostic names the holder', async () => {
  const ground = prepared();
  await hold(ground, '-x');
  const { session } = openHere(ground, { limits: { lockWaitSeconds: 1 } });
  const written = await session.write([own('one', sh`: >${ground.at('ran')}`)]);
  const read = await session.read([section('s', sh`: >${ground.at('ran')}`)]);
  for (const outcome of [written, read]) {
    expect(codesOf(outcome)).toEqual(['host-busy']);
    expect(outcome.ok || outcome.diagnostics[0]?.detail).toBe('Locked by: somebody else, since noon');
  }
  expect(readdirSync(ground.directory).sort()).toEqual(['run', 'state']);
});

test('readers do not keep each other out', async () => {
  const ground = prepared();
  await hold(ground, '-s');
  const { session } = openHere(ground, { limits: { lockWaitSeconds: 1 } });
  expect(textOf(must(await session.read([section('s', sh`echo in`)])).get('s'))).toBe('in\n');
  expect(codesOf(await session.write([own('one', sh`true`)]))).toEqual(['host-busy']);
});

test('a waiting batch takes the lock once it is free', async () => {
  const ground = prepared();
  const child = await hold(ground, '-x');
  const { session } = openHere(ground);
  const waiting = session.write([own('one', sh`changed`)]);
  await new Promise((resolve) => setTimeout(resolve, 100));
  process.kill(-(child.pid ?? 0));
  expect(must(await waiting).results[0]?.status).toBe('changed');
});

test('a lock file that was removed while we waited does not count', async () => {
  const ground = prepared();
  const child = await hold(ground, '-x');
  const { session } = openHere(ground);
  const waiting = session.write([own('one', sh`ls -i "$stockade_run/lock"; stat -Lc %i "/proc/$$/fd/9"`)]);
  await new Promise((resolve) => setTimeout(resolve, 200));
  const remover = spawn('sh', ['-c', 'rm "$1" && : >"$1"', 'sh', `${ground.roots.run}/lock`]);
  await new Promise((resolve) => remover.once('close', resolve));
  process.kill(-(child.pid ?? 0));
  const [named, held] = must(await waiting).results[0]?.output.split('\n') ?? [];
  expect(named?.split(' ')[0]).toBe(held);
});

test('the holder is on record while a batch runs', async () => {
  const ground = prepared();
  const { session } = openHere(ground, { holder: 'fleet a,\n\u001b[31mada' });
  const { results } = must(await session.write([own('one', sh`cat "$stockade_run/lock"`)]));
  expect(results[0]?.output).toMatch(/^fleet a,\?\?\[31mada, since 20[^\n]+\n$/);
});

test('what a killed batch left is cleared away by the next one', async () => {
  const ground = prepared();
  mkdirSync(`${ground.roots.run}.batch-0123`);
  writeFileSync(`${ground.roots.run}.batch-0123/step_1.out`, 'x');
  must(await openHere(ground).session.write([own('one', sh`true`)]));
  expect(readdirSync(ground.directory).sort()).toEqual(['run', 'state']);
});

test.each([
  ['a symbolic link', (ground: Ground) => symlinkSync(ground.directory, ground.roots.run)],
  ['a dangling link', (ground: Ground) => symlinkSync('/does-not-exist', ground.roots.run)],
  ['a file', (ground: Ground) => writeFileSync(ground.roots.run, '')],
  [
    "a directory of somebody else's",
    (ground: Ground) => {
      mkdirSync(ground.roots.run);
      chownSync(ground.roots.run, 65534, 65534);
    },
  ],
])('a run directory that is %s is not used', async (_, prepare) => {
  const ground = makeGround();
  prepare(ground);
  const { session } = openHere(ground);
  expect(codesOf(await session.write([own('one', sh`: >${ground.at('ran')}`)]))).toEqual(['run-directory']);
  expect(codesOf(await session.read([section('s', sh`: >${ground.at('ran')}`)]))).toEqual(['run-directory']);
  expect(readdirSync(ground.directory)).toEqual(['run']);
});
