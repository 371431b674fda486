import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { stopFunction } from '../../../provider/jail/stop.ts';

let run: string;
beforeEach(() => {
  run = mkdtempSync(`${tmpdir()}/stockade-stop-`);
});
afterEach(() => rmSync(run, { recursive: true, force: true }));

it('a QEMU that filled its own monitor does not hold up the stop', () => {
  const script = `set -eu
run=${run}
mkfifo "$run/qmp.in"
exec 9<>"$run/qmp.in"
dd if=/dev/zero of=/proc/self/fd/9 bs=4096 count=64 oflag=nonblock 2>/dev/null || :
sleep 2 9>&- &
MAINPID=$!
${stopFunction(60).text}
stop_guest 9>&-
echo over`;
  const stopped = spawnSync('timeout', ['20', 'dash', '-c', script]);
  expect([stopped.status, stopped.stdout.toString()]).toEqual([0, 'over\n']);
}, 30_000);
