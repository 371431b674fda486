import { existsSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { sh } from '../../../provider/model/shell.ts';
import { makeGround, must, openHere, own, section, textOf, together } from './fixture.ts';

const statuses = (results: readonly { id: string; status: string; code?: string }[]) =>
  results.map(({ id, status, code }) => `${id} ${status}${code === undefined ? '' : ` ${code}`}`);

async function until(there: () => boolean): Promise<void> {
  while (!there()) await new Promise((resolve) => setTimeout(resolve, 10));
}

test('asked to stop, the step that runs comes to its end, none is begun after it, and the host is still looked at', async () => {
  const ground = makeGround();
  const { session } = openHere(ground);
  const upload = {
    bytes: 3,
    sha256: 'a'.repeat(64),
    async *open() {
      yield await Promise.resolve(Buffer.from('abc'));
    },
  };
  const writing = session.write(
    [
      own(
        'first',
        sh`: >${ground.at('begun')}; until [ -e ${ground.at('go')} ]; do sleep 0.02; done; changed`,
      ),
      own('second', sh`: >${ground.at('wrong')}`, { needs: ['first'] }),
      own('upload', sh`: >${ground.at('wrong')}`, { uploads: [upload] }),
      together('member', 'all', sh`: >${ground.at('wrong')}`, 'x'),
    ],
    [section('seen', sh`echo looked`)],
  );
  await until(() => existsSync(ground.path('begun')));
  const heard = session.stop();
  await heard;
  writeFileSync(ground.path('go'), '');
  const { results, sections } = must(await writing);
  expect(statuses(results)).toEqual([
    'first changed',
    'second refused stopped',
    'upload refused stopped',
    'member refused stopped',
  ]);
  expect(existsSync(ground.path('wrong'))).toBe(false);
  expect(textOf(sections.get('seen'))).toBe('looked\n');
  // the next batch is a batch like any other
  expect(statuses(must(await session.write([own('next', sh`changed`)])).results)).toEqual(['next changed']);
});

test('a stop reaches a batch that still waits for the lock', async () => {
  const ground = makeGround();
  const [holder, waiter] = [openHere(ground).session, openHere(ground).session];
  const held = holder.write([
    own('held', sh`: >${ground.at('begun')}; until [ -e ${ground.at('go')} ]; do sleep 0.02; done`),
  ]);
  await until(() => existsSync(ground.path('begun')));
  const waiting = waiter.write([
    own('a', sh`sleep 1`),
    own('b', sh`: >${ground.at('wrong')}`, { needs: ['a'] }),
  ]);
  await new Promise((resolve) => setTimeout(resolve, 200));
  const heard = waiter.stop();
  writeFileSync(ground.path('go'), '');
  await Promise.all([heard, held]);
  const { results } = must(await waiting);
  expect(results.at(-1)).toMatchObject({ id: 'b', status: 'refused', code: 'stopped' });
  expect(existsSync(ground.path('wrong'))).toBe(false);
});

test('asked to stop before it was sent, nothing of it is begun, and the host is still looked at', async () => {
  const ground = makeGround();
  const { session } = openHere(ground);
  const writing = session.write([own('a', sh`: >${ground.at('wrong')}`)], [section('seen', sh`echo looked`)]);
  await session.stop();
  const { results, sections } = must(await writing);
  expect(statuses(results)).toEqual(['a refused stopped']);
  expect(existsSync(ground.path('wrong'))).toBe(false);
  expect(textOf(sections.get('seen'))).toBe('looked\n');
  expect(session.counters).toMatchObject({ readBatches: 1, writeBatches: 0 });
  expect(statuses(must(await session.write([own('next', sh`changed`)])).results)).toEqual(['next changed']);
});

test('a stop reaches what waits behind another batch of the same session', async () => {
  const ground = makeGround();
  const { session } = openHere(ground);
  const reading = session.read([
    section('slow', sh`: >${ground.at('begun')}; until [ -e ${ground.at('go')} ]; do sleep 0.02; done`),
  ]);
  await until(() => existsSync(ground.path('begun')));
  const writing = session.write([own('a', sh`: >${ground.at('wrong')}`)]);
  await session.stop();
  writeFileSync(ground.path('go'), '');
  expect(statuses(must(await writing).results)).toEqual(['a refused stopped']);
  must(await reading);
  expect(existsSync(ground.path('wrong'))).toBe(false);
});

test('what is urgent is not stopped, and goes before what waits', async () => {
  const ground = makeGround();
  const { session } = openHere(ground);
  const waits = (name: string) =>
    sh`: >${ground.at(`${name}-begun`)}; until [ -e ${ground.at(`${name}-go`)} ]; do sleep 0.02; done; changed`;
  const usual = session.write([own('usual', waits('usual'))]);
  await until(() => existsSync(ground.path('usual-begun')));
  const late = session.write([own('late', sh`: >${ground.at('wrong')}`)]);
  const urgent = session.write(
    [own('halt', waits('halt')), own('halted', sh`changed`, { needs: ['halt'] })],
    [],
    { urgent: true },
  );
  await session.stop();
  writeFileSync(ground.path('usual-go'), '');
  await until(() => existsSync(ground.path('halt-begun')));
  // once more, while it runs
  await session.stop();
  writeFileSync(ground.path('halt-go'), '');
  expect(statuses(must(await urgent).results)).toEqual(['halt changed', 'halted changed']);
  expect(statuses(must(await usual).results)).toEqual(['usual changed']);
  expect(statuses(must(await late).results)).toEqual(['late refused stopped']);
  expect(existsSync(ground.path('wrong'))).toBe(false);
});

test('with nothing being written there is nothing to stop', async () => {
  const { session } = openHere(makeGround());
  await session.stop();
  must(await session.read([section('seen', sh`:`)]));
  await session.stop();
});
