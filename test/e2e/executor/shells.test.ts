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
  const limits = { lineBytes: 65_536, sections: 2 };
  readBatch('cafe', limits, {
    onLine: (line) => lines.push(line),
    onBroken: (what) => expect.unreachable(what),
  }).feed(stdout);
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

  const settings = settingsFor(ground, 'cafe');
  const reading = renderReadScript(sections, settings);
  const read = await runScript(reading, Buffer.from(reading.text), { shell });
  const seen = linesOf(read.stdout);
  expect(seen.map(({ type }) => type)).toEqual(['begin', 'section', 'section', 'end']);

  const packing = renderReadScript(
    sections.map((one) => ({ ...one, packed: true })),
    settings,
  );
  const packed = await runScript(packing, Buffer.from(packing.text), { shell });
  expect(packed.stdout.toString('latin1')).toMatch(/^\ncafe begin\ncafe packed 0\n\x1f\x8b/);
  expect(linesOf(packed.stdout)).toEqual(seen);
  // a host without gzip sends the same as it is; busybox's shell has one of its own
  const unshared = sh`mount --bind /dev/null "$(command -v gzip)"`;
  const without = await runScript(packing, Buffer.from(packing.text), { shell, unshared });
  const same = program === '/bin/busybox' ? packed : read;
  expect(linesOf(without.stdout)).toEqual(seen);
  expect(without.stdout.includes('packed')).toBe(same.stdout.includes('packed'));
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
