import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { recordWrite, expectRecord } from '../../../provider/model/record.ts';
import { orderOperations } from '../../../provider/executor/order.ts';
import { readBatch, type BatchLine } from '../../../provider/executor/results.ts';
import { renderReadScript, renderWriteScript } from '../../../provider/executor/script.ts';
import { sh } from '../../../provider/model/shell.ts';
import { makeGround, own, runScript, section, settingsFor, shellAt, textOf, together } from './fixture.ts';

const content = Buffer.from('payload\n');
const upload = {
  bytes: content.length,
  sha256: createHash('sha256').update(content).digest('hex'),
  async *open() {
    yield content;
  },
};

function linesOf(stdout: Uint8Array): BatchLine[] {
  const lines: BatchLine[] = [];
  const limits = { lineBytes: 65_536, unpackedBytes: 65_536 };
  const reader = readBatch('cafe', limits, {
    onLine: (line) => lines.push(line),
    onBroken: (what) => expect.unreachable(what),
    onTooMuch: expect.unreachable,
  });
  reader.feed(stdout);
  reader.end();
  return lines;
}

test.each(['/bin/dash', '/bin/bash', '/bin/busybox'])('a batch does the same in %s', async (program) => {
  const ground = makeGround();
  const shell = shellAt(ground, program);
  const record = ground.path('state/web1');
  const members = sh`for one in "$@"; do member_changed "$one"; member_give "$one" arg "$one"; done; false`;
  const order = orderOperations([
    [
      own('prepare', sh`mkdir "$stockade_state"; changed`),
      own('record', recordWrite(record, { owner: 'me', generation: 1 }), { needs: ['prepare'] }),
      own('expect', expectRecord(record, 'me', 1), { needs: ['record'] }),
      own('moved', sh`${expectRecord(record, 'me', 2)}; changed`, { needs: ['record'] }),
      // busybox's own head, which its shell prefers, reads too far: hosts have coreutils
      program === '/bin/busybox'
        ? own('file', sh`printf 'payload\\n' >"$stockade_state/file"`, { needs: ['prepare'] })
        : own('file', sh`receive 0 "$stockade_state" file`, { needs: ['prepare'], uploads: [upload] }),
      own('skipped', sh`changed`, { needs: ['moved'] }),
      own('fails', sh`echo "it's"; false; changed`),
      own('gives', sh`give odd 'a b\n$(x) "\\'`),
      together('t1', 't', members, "x'y $z *"),
      together('t2', 't', members, 'plain'),
    ],
  ]);
  const args = ["it's", '$HOME', '*', ''];
  const sections = [section('echo', sh`printf '<%s>' "$@"`, args), section('fails', sh`echo some; exit 3`)];
  const script = renderWriteScript(order, sections, settingsFor(ground, 'cafe'));
  const ran = await runScript(script, Buffer.concat([Buffer.from(script.text), content]), { shell });
  const shown = linesOf(ran.stdout).map((line) => {
    if (line.type === 'result') return [line.index, line.result.status, line.result.code, line.result.values];
    if (line.type === 'section')
      return ['section', line.index, textOf(line.section.bytes), line.section.exitCode];
    return line.type;
  });
  expect(shown, ran.stderr).toEqual([
    'begin',
    [0, 'changed', undefined, {}],
    [6, 'failed', 'step-failed', {}],
    [7, 'same', undefined, { odd: 'a b\n$(x) "\\' }],
    [8, 'changed', undefined, { arg: "x'y $z *" }],
    [9, 'changed', undefined, { arg: 'plain' }],
    [1, 'same', undefined, {}],
    [4, 'same', undefined, {}],
    [2, 'same', undefined, {}],
    [3, 'refused', 'record-moved', {}],
    [5, 'skipped', 'dependency-failed', {}],
    ['section', 0, "<it's><$HOME><*><>", 0],
    ['section', 1, 'some\n', 3],
    'end',
  ]);
  expect(ran).toMatchObject({ exitCode: 0, stderr: '' });
  expect(readFileSync(ground.path('state/file'), 'utf8')).toBe('payload\n');
  expect(readdirSync(ground.directory).sort()).toEqual(['run', 'shell', 'state']);

  const reading = renderReadScript(sections, settingsFor(ground, 'cafe'));
  const read = await runScript(reading, Buffer.from(reading.text), { shell });
  expect(read.stdout.subarray(0, 14).toString('latin1')).toBe('cafe packed\n\x1f\x8b');
  // a host without gzip sends the same as it is
  const unshared = sh`mount --bind /dev/null "$(command -v gzip)"`;
  const plain = await runScript(reading, Buffer.from(reading.text), { shell, unshared });
  // busybox's shell has a gzip of its own
  const first = program === '/bin/busybox' ? 'cafe packed\n' : 'cafe begin\n';
  expect(plain.stdout.subarray(0, first.length).toString('latin1')).toBe(first);
  expect(linesOf(read.stdout)).toEqual(linesOf(plain.stdout));
  expect(linesOf(read.stdout).map(({ type }) => type)).toEqual(['begin', 'section', 'section', 'end']);
});

test.each(['/bin/dash', '/bin/bash', '/bin/busybox'])(
  'a reader that goes away ends a batch in %s',
  async (program) => {
    const ground = makeGround();
    const shell = shellAt(ground, program);
    mkdirSync(ground.roots.state);
    const order = orderOperations([
      [
        own('first', sh`: >${ground.at('first')}; sleep 0.2`),
        own('second', sh`: >${ground.at('second')}`, { needs: ['first'] }),
        own('third', sh`: >${ground.at('third')}`, { needs: ['second'] }),
      ],
    ]);
    const script = renderWriteScript(order, [], settingsFor(ground, 'cafe'));
    await runScript(script, Buffer.from(script.text), { shell, goesAway: true });
    expect(readdirSync(ground.directory).sort()).toEqual(['first', 'run', 'shell', 'state']);
    expect(readdirSync(ground.roots.run)).toEqual(['lock']);
  },
);
