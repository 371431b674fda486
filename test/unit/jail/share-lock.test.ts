import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockFunctions, takeLock } from '../../../provider/jail/share-lock.ts';

let room: string;
beforeEach(() => {
  room = mkdtempSync(`${tmpdir()}/stockade-share-lock-`);
  writeFileSync(`${room}/record`, '64769 4711\n');
});
afterEach(() => rmSync(room, { recursive: true, force: true }));

const lock = () => `${room}/share-64769-4711.lock`;

/** The functions as scripts have them, and `take`, which keeps the lock as long as its process lives. */
const script = (how: '-x' | '-s', calls: string): string => `set -eu
locks=${room} record=${room}/record source=/srv/data how=${how}
fail() { echo "$1" >&2; exit 3; }
${lockFunctions.text}
take() {
  lock_of "$record"
${takeLock(9).text}
}
${calls}`;

function run(how: '-x' | '-s', calls: string): readonly [number | null, string] {
  const { status, stderr } = spawnSync('dash', ['-c', script(how, calls)]);
  return [status, stderr.toString()];
}

function running(how: '-x' | '-s', calls: string): Promise<readonly [number | null, string]> {
  const child = spawn('dash', ['-c', script(how, calls)]);
  let said = '';
  child.stderr.on('data', (piece: Buffer) => (said += piece.toString()));
  return new Promise((resolve) => child.on('close', (status) => resolve([status, said])));
}

describe('the lock of who writes to a shared directory', () => {
  it('goes with its last, and is nothing where there is no record', () => {
    expect(run('-x', 'take; [ -f "$lock" ]')).toEqual([0, '']);
    expect(run('-x', 'leave_lock "$record"; leave_lock "$record"; leave_lock /none')).toEqual([0, '']);
    expect(readdirSync(room)).toEqual(['record']);
  });

  it('lets nobody else in where a sole writer has it', () => {
    const held = (how: string) => `take; exec 8>>"$lock"; flock -n ${how} 8`;
    expect(run('-x', held('-s'))[0]).toBe(1);
    expect(run('-s', held('-s'))[0]).toBe(0);
    const before = performance.now();
    const other = script('-s', 'take');
    writeFileSync(`${room}/other.sh`, other);
    const [status, said] = run('-x', `take; dash ${room}/other.sh 9>&-`);
    expect([status, said]).toEqual([
      3,
      'another guest writes to /srv/data; where both may, say writers = many in both\n',
    ]);
    expect(performance.now() - before).toBeLessThan(20_000);
  });

  it('is waited for where somebody is about to let go of it', async () => {
    writeFileSync(lock(), '');
    const held = spawn('flock', ['-x', '--no-fork', lock(), 'sleep', '0.7']);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(await running('-x', 'take')).toEqual([0, '']);
    held.kill();
  });

  it('refuses none of many writers that come and go', async () => {
    const rounds = `number=0
while [ $number -lt 40 ]; do
  (take) || exit
  (leave_lock "$record")
  number=$((number + 1))
done`;
    const all = await Promise.all(Array.from({ length: 6 }, () => running('-s', rounds)));
    expect(all).toEqual(all.map(() => [0, '']));
  });

  it('is not kept by what who leaves does after that', () => {
    expect(run('-x', 'take; exec 9>&-; leave_lock "$record"; [ ! -e /proc/$$/fd/4 ]')).toEqual([0, '']);
    const refused = 'take; leave_lock "$record"; [ -f "$lock" ] && [ ! -e /proc/$$/fd/4 ]';
    expect(run('-s', refused)).toEqual([0, '']);
  });
});
