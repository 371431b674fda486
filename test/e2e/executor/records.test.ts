import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { expectRecord, parseRecord, RecordValueError, recordWrite } from '../../../provider/model/record.ts';
import { sh, word } from '../../../provider/model/shell.ts';
import { codesOf, makeGround, must, openHere, own, section, textOf, type Ground } from './fixture.ts';

function state(): Ground {
  const ground = makeGround();
  mkdirSync(ground.roots.state);
  return ground;
}

test('a record that is written can be read on both sides', async () => {
  const ground = state();
  const file = ground.path("state/it's a record");
  const { session } = openHere(ground);
  const written = await session.write(
    [
      own(
        'write',
        recordWrite(file, { owner: 'fleet-7', generation: 12, digest: 'c29tZQ==', domid: 3, keys: 'x' }),
      ),
    ],
    [
      section(
        's',
        sh`record_read "$1"; printf '%s|' "$rec_owner" "$rec_generation" "$rec_digest" "$rec_domid" "$record_keys"`,
        [file],
      ),
    ],
  );
  expect(textOf(must(written).sections.get('s'))).toBe(
    'fleet-7|12|c29tZQ==|3| owner generation digest domid keys|',
  );
  const record = must(parseRecord(readFileSync(file)));
  expect(record).toMatchObject({ owner: 'fleet-7', generation: 12, digest: 'c29tZQ==' });
  expect(record.values.get('domid')).toBe('3');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readdirSync(ground.roots.state)).toEqual(["it's a record"]);
});

test('reading one record after another leaves nothing of the first', async () => {
  const ground = state();
  writeFileSync(ground.path('a'), 'stockade-record 1\nowner a\ngeneration 1\ndigest d\nuid 7\n');
  writeFileSync(ground.path('b'), 'stockade-record 1\nowner b\ngeneration 2\n');
  const body = sh`for f in "$@"; do record_read "$f"; printf '%s:' "$?" "$rec_owner" "\${rec_uid-}" "$rec_digest"; done`;
  const { session } = openHere(ground);
  const args = ['a', 'b', 'none'].map((name) => ground.path(name));
  const shown = must(await session.read([section('s', body, args)])).get('s');
  expect(textOf(shown)).toBe('0:a:7:d:0:b:::1::::');
});

test.each([
  ['none', undefined, undefined],
  [1, undefined, 'record-gone'],
  ['any', undefined, 'record-gone'],
  ['none', 'me 4', 'record-exists'],
  ['none', 'you 4', 'record-foreign'],
  ['any', 'me 4', undefined],
  ['any', 'you 4', 'record-foreign'],
  [4, 'me 4', undefined],
  [3, 'me 4', 'record-moved'],
  [4, 'you 4', 'record-foreign'],
] as const)('expecting %s where there is %s gives %s', async (generation, there, code) => {
  const ground = state();
  const file = ground.path('state/web1');
  const [owner, number] = there?.split(' ') ?? [];
  if (there) writeFileSync(file, `stockade-record 1\nowner ${owner}\ngeneration ${number}\n`);
  const { session } = openHere(ground);
  const body = sh`${expectRecord(file, 'me', generation)}; changed`;
  const [result] = must(await session.write([own('step', body)])).results;
  expect([result?.status, result?.code]).toEqual(code === undefined ? ['changed', code] : ['refused', code]);
});

const damaged: [string, string][] = [
  ['empty', ''],
  ['of another kind', 'other 1\nowner a\ngeneration 1\n'],
  ['cut off', 'stockade-record 1\nowner a\ngeneration 1'],
  ['without owner', 'stockade-record 1\ngeneration 1\n'],
  ['without generation', 'stockade-record 1\nowner a\n'],
  ['with a command', 'stockade-record 1\nowner a\ngeneration 1\nx $(touch${IFS}ran)\n'],
  ['with a key that is a command', 'stockade-record 1\nowner a\ngeneration 1\nx;touch b\n'],
  ['with a repeated key', 'stockade-record 1\nowner a\ngeneration 1\nowner b\n'],
  ['with a quote', "stockade-record 1\nowner a'b\ngeneration 1\n"],
  ['with an upper-case key', 'stockade-record 1\nowner a\ngeneration 1\nPATH /tmp\n'],
];
test.each(damaged)('a record that is %s is damaged, on both sides', async (_, content) => {
  const ground = state();
  const file = ground.path('state/web1');
  writeFileSync(file, content);
  expect(codesOf(parseRecord(readFileSync(file)))).toEqual(['record-damaged']);
  const { session } = openHere(ground);
  const [result] = must(await session.write([own('step', expectRecord(file, 'a', 1))])).results;
  expect([result?.status, result?.code]).toEqual(['refused', 'record-damaged']);
  expect(readdirSync(ground.roots.state)).toEqual(['web1']);
});

test('a link is not a record', async () => {
  const ground = state();
  writeFileSync(ground.path('real'), 'stockade-record 1\nowner a\ngeneration 1\n');
  symlinkSync(ground.path('real'), ground.path('state/web1'));
  const { session } = openHere(ground);
  const [result] = must(
    await session.write([own('s', expectRecord(ground.path('state/web1'), 'a', 1))]),
  ).results;
  expect(result?.code).toBe('record-gone');
});

test('what no record can hold is not written, and the old record stays', async () => {
  const ground = state();
  const file = ground.path('state/web1');
  const { session } = openHere(ground);
  const write = (key: string, value: string) =>
    sh`record_write ${word(file)} owner me ${word(key)} ${word(value)}`;
  const { results } = must(
    await session.write([
      own('first', recordWrite(file, { owner: 'me', generation: 1 })),
      own('newline', write('note', 'a\nowner you'), { needs: ['first'] }),
      own('blank', write('note', 'a b'), { needs: ['first'] }),
      own('key', write('no te', 'a'), { needs: ['first'] }),
      own('empty', write('note', ''), { needs: ['first'] }),
    ]),
  );
  expect(results.map(({ code }) => code)).toEqual([undefined, ...Array<string>(4).fill('record-value')]);
  expect(must(parseRecord(readFileSync(file))).generation).toBe(1);
  expect(readdirSync(ground.roots.state)).toEqual(['web1']);
  expect(() => recordWrite(file, { owner: 'a b' })).toThrow(RecordValueError);
  expect(() => recordWrite(file, { 'OWNER;': 'a' })).toThrow(RecordValueError);
});
