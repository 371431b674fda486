import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { reapFunctions } from '../../../provider/jail/strays.ts';

let room: string;
beforeEach(() => {
  room = mkdtempSync(`${tmpdir()}/stockade-strays-`);
});
afterEach(() => rmSync(room, { recursive: true, force: true }));

/** A process in a /proc of our own: what the kernel shows of its leader, and its threads. */
function process(pid: number, state: string, uid: number, threads: readonly number[]): void {
  for (const thread of threads) mkdirSync(`${room}/proc/${pid}/task/${thread}`, { recursive: true });
  const ids = [uid, uid, uid, uid].join('\t');
  writeFileSync(`${room}/proc/${pid}/status`, `Name:\tx\nState:\t${state}\nUid:\t${ids}\nGid:\t${ids}\n`);
}

function run(call: string, more = ''): readonly [number | null, string] {
  const functions = reapFunctions.text.replaceAll('/proc/', `${room}/proc/`);
  const ran = spawnSync('dash', ['-c', `set -eu\n${functions}\n${more}\n${call}`]);
  return [ran.status, ran.stdout.toString()];
}

describe('strays', () => {
  it('are processes of the uid, also one whose first thread has ended while others live', () => {
    process(11, 'S (sleeping)', 300001, [11]);
    process(12, 'Z (zombie)', 300001, [12]);
    process(13, 'Z (zombie)', 300001, [13, 14]);
    process(15, 'S (sleeping)', 3000011, [15]);
    expect(run('stockade_strays 300001')).toEqual([0, '11 13 ']);
  });

  it('are found where the list of processes is too long for one command', () => {
    process(11, 'S (sleeping)', 300001, [11]);
    process(12, 'S (sleeping)', 300002, [12]);
    expect(run('stockade_strays 300001', 'grep() { return 126; }')).toEqual([0, '11 ']);
  });

  it.each([126, 127])('that cannot be looked for (%i) are not taken for none', (status) => {
    process(11, 'S (sleeping)', 300001, [11]);
    const broken = `grep() { return ${status}; }; xargs() { return ${status}; }`;
    expect(run('stockade_strays 300001', broken)).toEqual([1, '']);
    const reap = 'stockade_reap 300001 || { echo "$strays"; exit 7; }';
    expect(run(reap, broken)).toEqual([7, '/proc cannot be searched\n']);
  });

  it('that are none need no reaping', () => {
    process(11, 'S (sleeping)', 300002, [11]);
    expect(run('stockade_reap 300001')).toEqual([0, '']);
  });
});
