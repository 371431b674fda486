import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { chrootStep } from '../../../provider/jail/chroot.ts';
import { sh, word } from '../../../provider/model/shell.ts';

const room = mkdtempSync(join(tmpdir(), 'stockade-chroot-'));
afterAll(() => rmSync(room, { recursive: true }));

/** The step, with a rmdir and a mkdir that a signal comes in between so often. */
function run(interruptions: number): string {
  const script = sh`fail() { echo "failed: $1"; exit 1; }
run=${word(room)} chroot=${word(join(room, 'root'))} room=${word(room)}
interrupted() {
  count=$(cat "$room/count")
  [ "$count" -gt 0 ] || return 1
  echo $((count - 1)) >"$room/count"
  echo "$1: failed: Interrupted system call"
}
rmdir() { if interrupted rmdir; then return 1; fi; command rmdir "$@"; }
mkdir() { if interrupted mkdir; then return 1; fi; command mkdir "$@"; }
echo ${interruptions} >"$room/count"
step() {
${chrootStep().body}
}
step`;
  return spawnSync('dash', ['-eu'], { input: script.text }).stdout.toString();
}

test('is made anew, and tried again where a signal came in between, as often as that may be', () => {
  expect(run(0)).toBe('');
  const first = statSync(join(room, 'root')).ino;
  expect(run(3)).toBe('');
  expect(statSync(join(room, 'root')).mode & 0o777).toBe(0);
  expect(first).toBeGreaterThan(0);
  expect(run(1000)).toContain(
    'is not an empty directory; in it: nothing (rmdir: failed: Interrupted system call)',
  );
});
