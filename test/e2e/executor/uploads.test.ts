import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { expect, test } from 'vitest';
import { orderOperations } from '../../../provider/executor/order.ts';
import { readBatch, type BatchLine } from '../../../provider/executor/results.ts';
import { renderWriteScript } from '../../../provider/executor/script.ts';
import type { Upload } from '../../../provider/model/operation.ts';
import { sh } from '../../../provider/model/shell.ts';
import { codesOf, makeGround, must, openHere, own, runScript, settingsFor, type Ground } from './fixture.ts';

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function upload(bytes: Uint8Array, more: Partial<Upload> = {}): Upload {
  return {
    bytes: bytes.length,
    sha256: sha256(bytes),
    async *open() {
      yield bytes;
    },
    ...more,
  };
}

const limits = { lineBytes: 65_536, sections: 0 };
const binary = Uint8Array.from({ length: 300_007 }, (_, index) => (index * 31 + (index >> 8)) & 255);

function store(): Ground {
  const ground = makeGround();
  mkdirSync(ground.path('store'));
  return ground;
}

test("uploads arrive byte for byte, as root's alone unless another mode is asked for", async () => {
  const ground = store();
  const { session } = openHere(ground);
  const { results } = must(
    await session.write([
      own(
        'both',
        sh`receive 0 ${ground.at('store')} first; receive 1 ${ground.at('store')} second 0644; changed`,
        {
          uploads: [upload(binary), upload(Buffer.from('two\n'))],
        },
      ),
      own('empty', sh`receive 0 ${ground.at('store')} "it's empty"`, { uploads: [upload(new Uint8Array())] }),
    ]),
  );
  expect(results.map(({ status, output }) => [status, output])).toEqual([
    ['changed', ''],
    ['same', ''],
  ]);
  expect(sha256(readFileSync(ground.path('store/first')))).toBe(sha256(binary));
  expect(readFileSync(ground.path('store/second'), 'utf8')).toBe('two\n');
  expect(statSync(ground.path('store/first')).mode & 0o777).toBe(0o600);
  expect(statSync(ground.path('store/second')).mode & 0o777).toBe(0o644);
  expect(readdirSync(ground.path('store')).sort()).toEqual(['first', "it's empty", 'second']);
});

test('an upload that nobody takes does not push the next one out of place', async () => {
  const ground = store();
  const { session } = openHere(ground);
  const take = (name: string, index = 0) =>
    sh`receive ${index} ${ground.at('store')} ${name === 'a' ? sh`a` : sh`b`}`;
  const { results } = must(
    await session.write([
      own('fails', sh`false`),
      own('skipped', take('a'), { needs: ['fails'], uploads: [upload(binary)] }),
      own('has it already', sh`true`, { uploads: [upload(binary), upload(binary)] }),
      own('fails before', sh`false; ${take('a')}`, { uploads: [upload(binary)] }),
      own('takes the second', take('a', 1), { uploads: [upload(binary), upload(Buffer.from('A'))] }),
      own('last', take('b'), { needs: ['has it already'], uploads: [upload(Buffer.from('B'))] }),
    ]),
  );
  expect(results.map(({ status }) => status)).toEqual([
    'failed',
    'skipped',
    'same',
    'failed',
    'same',
    'same',
  ]);
  expect(readFileSync(ground.path('store/a'), 'utf8')).toBe('A');
  expect(readFileSync(ground.path('store/b'), 'utf8')).toBe('B');
});

test('bytes other than those announced are refused, and the old file stays', async () => {
  const ground = store();
  writeFileSync(ground.path('store/file'), 'old');
  const other = Buffer.from('0123456789');
  async function* breaks(): AsyncGenerator<Uint8Array> {
    yield other.subarray(0, 4);
    throw new Error('disk gone');
  }
  const variants: Partial<Upload>[] = [
    { sha256: sha256(Buffer.from('else')) },
    { bytes: 9 },
    { bytes: 70_000 },
    { open: breaks },
  ];
  const { session } = openHere(ground);
  const written = await session.write([
    ...variants.map((more, index) =>
      own(`v${index}`, sh`receive 0 ${ground.at('store')} file`, { uploads: [upload(other, more)] }),
    ),
    own('good', sh`receive 0 ${ground.at('store')} good`, { uploads: [upload(other)] }),
  ]);
  const { results } = must(written);
  expect(results.map(({ code }) => code)).toEqual([...variants.map(() => 'upload-corrupt'), undefined]);
  expect(codesOf(written)).toEqual(['upload-source', 'upload-source', 'upload-source']);
  expect(readFileSync(ground.path('store/file'), 'utf8')).toBe('old');
  expect(readdirSync(ground.path('store')).sort()).toEqual(['file', 'good']);
});

test("an upload goes only into a directory of root's, under a plain name", async () => {
  const ground = store();
  symlinkSync(ground.path('store'), ground.path('link'));
  mkdirSync(ground.path('store/taken'));
  const { session } = openHere(ground);
  const bodies = [
    sh`receive 0 ${ground.at('link')} x`,
    sh`receive 0 ${ground.at('nowhere')} x`,
    sh`receive 0 ${ground.at('store')} ../x`,
    sh`receive 1 ${ground.at('store')} x`,
    sh`receive 0 ${ground.at('store')} x; receive 0 ${ground.at('store')} y`,
    sh`receive 0 ${ground.at('store')} taken`,
  ];
  const { results } = must(
    await session.write(bodies.map((body, index) => own(`b${index}`, body, { uploads: [upload(binary)] }))),
  );
  expect(results.map(({ code }) => code)).toEqual([
    'upload-directory',
    'upload-directory',
    'upload-name',
    'upload-unknown',
    'upload-order',
    'step-failed',
  ]);
  expect(existsSync(ground.path('x'))).toBe(false);
  expect(readdirSync(ground.path('store/taken'))).toEqual([]);
});

test('a batch that stops before its uploads comes back all the same', async () => {
  const ground = store();
  symlinkSync('/does-not-exist', ground.roots.run);
  const { session } = openHere(ground);
  const large = upload(new Uint8Array(5_000_000));
  const operation = own('a', sh`receive 0 ${ground.at('store')} a`, { uploads: [large, large] });
  expect(codesOf(await session.write([operation]))).toEqual(['run-directory']);
});

test('stdin cut anywhere in the uploads: whole files or none, and what follows still runs', async () => {
  const ground = store();
  const contents = [Buffer.from('first file, 29 bytes of it..\n'), Buffer.from('second\n')];
  const operations = contents.map((bytes, index) =>
    own(`f${index}`, sh`receive 0 ${ground.at('store')} f${index}`, { uploads: [upload(bytes)] }),
  );
  const order = orderOperations([[...operations, own('after', sh`changed`)]]);
  const script = renderWriteScript(order, [], settingsFor(ground, 'cafe'));
  const payload = Buffer.concat(contents);
  for (let cut = 0; cut <= payload.length; cut++) {
    const { stdout } = await runScript(
      script,
      Buffer.concat([Buffer.from(script.text), payload.subarray(0, cut)]),
    );
    const lines: BatchLine[] = [];
    readBatch('cafe', limits, { onLine: (line) => lines.push(line), onBroken: expect.unreachable }).feed(
      stdout,
    );
    const whole = [cut >= 29, cut >= payload.length];
    expect(lines.flatMap((line) => (line.type === 'result' ? [line.result.code] : []))).toEqual([
      ...whole.map((is) => (is ? undefined : 'upload-incomplete')),
      undefined,
    ]);
    expect(lines.at(-1)?.type).toBe('end');
    const expected = whole.flatMap((is, index) => (is ? [`f${index}`] : []));
    expect(readdirSync(ground.path('store')).sort()).toEqual(expected);
    for (const name of expected) rmSync(ground.path(`store/${name}`));
  }
  expect(readdirSync(ground.directory)).toEqual(['store']);
});

test('a full disk: the upload fails with what is left, nothing half-made stays, the next step runs', async () => {
  const ground = store();
  const order = orderOperations([
    [
      own('big', sh`receive 0 ${ground.at('store')} big`, { uploads: [upload(binary)] }),
      own('small', sh`receive 0 ${ground.at('store')} small; ls -A ${ground.at('store')}`, {
        uploads: [upload(Buffer.from('fits'))],
      }),
    ],
  ]);
  const script = renderWriteScript(order, [], settingsFor(ground, 'cafe'));
  const stdin = Buffer.concat([Buffer.from(script.text), binary, Buffer.from('fits')]);
  const inner = sh`mount -t tmpfs -o size=128k stockade-test ${ground.at('store')}`;
  const { stdout, stderr } = await runScript(script, stdin, { unshared: inner });
  const lines: BatchLine[] = [];
  readBatch('cafe', limits, { onLine: (line) => lines.push(line), onBroken: expect.unreachable }).feed(
    stdout,
  );
  const results = lines.flatMap((line) => (line.type === 'result' ? [line.result] : []));
  expect(results[0], stderr).toMatchObject({ status: 'failed', code: 'no-space' });
  expect(results[0]?.message).toMatch(/300007 bytes do not fit: .*stockade-test/s);
  expect(results[1]).toMatchObject({ status: 'same', output: 'small\n' });
});

test("the same bytes for the same step travel once, and a failure of theirs is everybody's", async () => {
  const ground = store();
  const { session, events } = openHere(ground);
  const wanting = (id: string, directory: string, bytes: Uint8Array) =>
    own(
      id,
      sh`[ -f ${ground.at(directory)}/kernel ] || { receive 0 ${ground.at(directory)} kernel; changed; }`,
      { uploads: [upload(bytes)] },
    );
  const [one, two] = await Promise.all([
    session.write([wanting('a', 'store', binary), wanting('b', 'store', binary)]),
    session.write([wanting('a', 'store', binary)]),
  ]);
  expect(must(one).results.map(({ status }) => status)).toEqual(['changed', 'same']);
  expect(must(two).results.map(({ status }) => status)).toEqual(['same']);
  expect(readFileSync(ground.path('store/kernel')).equals(Buffer.from(binary))).toBe(true);
  const sent = events.flatMap((event) => (event.type === 'batch-finished' ? [event.bytesSent] : []));
  expect(sent).toHaveLength(1);
  expect(sent[0]).toBeGreaterThan(binary.length);
  expect(sent[0]).toBeLessThan(2 * binary.length);

  const other = Buffer.from(binary).reverse();
  const failed = must(await session.write([wanting('a', 'nowhere', other), wanting('b', 'nowhere', other)]));
  expect(failed.results.map(({ status, code }) => [status, code])).toEqual([
    ['failed', 'upload-directory'],
    ['skipped', 'dependency-failed'],
  ]);
  expect(failed.results[1]?.message).toContain('it needs "a", which was failed');
});
