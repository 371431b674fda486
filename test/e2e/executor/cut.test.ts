import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { bootstrapCommand, incompleteScriptExit } from '../../../provider/executor/bootstrap.ts';
import { orderOperations } from '../../../provider/executor/order.ts';
import { renderWriteScript } from '../../../provider/executor/script.ts';
import { sh, ShellText } from '../../../provider/model/shell.ts';
import {
  makeGround,
  own,
  runScript,
  section,
  settingsFor,
  shellAt,
  together,
  type Ground,
} from './fixture.ts';

function writeScript(ground: Ground) {
  const touch = sh`: >${ground.at('touched')}`;
  const operations = [own('one', touch), together('two', 'two', touch, 'it')];
  return renderWriteScript(orderOperations([operations]), [section('s', touch)], settingsFor(ground, 'cafe'));
}

/** Runs the command with each file of `directory` on stdin, one after the other; says which did not end as they should. */
async function runEach(directory: string, command: string): Promise<string> {
  const loop = `for file in "$1"/*; do (${command}) <"$file"; [ $? = ${incompleteScriptExit} ] || echo "$file"; done`;
  const child = spawn('/bin/sh', ['-c', loop, 'sh', directory], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.on('data', (piece: Buffer) => (said += piece.toString()));
  await new Promise((resolve) => child.once('close', resolve));
  return said;
}

test('a script cut at any byte runs nothing at all', async () => {
  const ground = makeGround();
  const bytes = Buffer.from(writeScript(ground).text);
  const command = bootstrapCommand(bytes.length).text;
  const halves = [ground.path('a'), ground.path('b')];
  for (const half of halves) mkdirSync(half);
  for (let cut = 0; cut < bytes.length; cut++) {
    writeFileSync(`${halves[cut % 2]}/${cut}`, bytes.subarray(0, cut));
  }
  const said = await Promise.all(halves.map((half) => runEach(half, command)));
  expect(said).toEqual(['', '']);
  expect(readdirSync(ground.directory).sort()).toEqual(['a', 'b']);
});

test.each(['/bin/bash', '/bin/busybox'])('the same in %s, at every 200th byte', async (program) => {
  const ground = makeGround();
  const script = writeScript(ground);
  const bytes = Buffer.from(script.text);
  const shell = shellAt(ground, program);
  for (let cut = bytes.length - 1; cut >= 0; cut -= 200) {
    expect((await runScript(script, bytes.subarray(0, cut), { shell })).exitCode).toBe(incompleteScriptExit);
  }
  expect(readdirSync(ground.directory)).toEqual(['shell']);
});

test('a script whose end is missing is not run even if its length is right', async () => {
  const ground = makeGround();
  const { text } = writeScript(ground);
  for (let length = text.length - 1; length > text.length - 120; length--) {
    const cut = ShellText.unsafelyFromProgramText(text.slice(0, length));
    const { exitCode, stdout } = await runScript(cut, Buffer.from(cut.text));
    expect([exitCode, stdout.toString()]).toEqual([incompleteScriptExit, '']);
  }
  expect(readdirSync(ground.directory)).toEqual([]);
});
