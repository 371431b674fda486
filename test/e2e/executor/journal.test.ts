import { mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { openJournal } from '../../../provider/executor/journal.ts';
import { sh } from '../../../provider/model/shell.ts';
import { codesOf, makeGround, must, openHere, own } from './fixture.ts';

test('every event is a line of JSON with a text for people, and none moves a cursor', async () => {
  const ground = makeGround();
  const file = ground.path('events.jsonl');
  writeFileSync(file, '{"before":1}\n', { mode: 0o644 });
  const journal = must(openJournal(file));
  const { session } = openHere(ground, { sink: journal.sink });
  const hostile = sh`printf '\\033[2J\\rforged\\n\\302\\233'; fail oops 'no\n{"type":"batch-finished"}'`;
  must(await session.write([own('one\n\u001b[31m\u009b\u202e', hostile), own('two', sh`changed`)]));
  journal.close();
  journal.sink({ type: 'connected', at: '', host: '', milliseconds: 0 });
  const text = readFileSync(file, 'utf8');
  expect(text).toMatch(/^[\x20-\x7e\n]*$/);
  const events = text
    .trimEnd()
    .split('\n')
    .slice(1)
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(events.map(({ type }) => type)).toEqual([
    'batch-started',
    'operation-finished',
    'operation-finished',
    'batch-finished',
  ]);
  expect(events.map(({ text }) => text)).toEqual([
    'here: 2 steps to do',
    expect.stringContaining('here: failed one\n'),
    expect.stringMatching(/^here: changed two, \d+ ms$/),
    expect.stringMatching(/^here: done in \d+ ms, \d+ bytes sent, \d+ received$/),
  ]);
  expect(JSON.stringify(events[1])).toContain('forged');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(journal.trouble()).toBeUndefined();
});

test('a journal that cannot be written is a diagnostic', () => {
  const ground = makeGround();
  mkdirSync(ground.path('directory'));
  symlinkSync(ground.path('elsewhere'), ground.path('link'));
  for (const name of ['directory', 'link', 'missing/events']) {
    expect(codesOf(openJournal(ground.path(name)))).toEqual(['journal-unwritable']);
  }
  expect(codesOf(openJournal('/dev/null'))).toEqual(['journal-unwritable']);
});

test('a closed journal does not stop the work', async () => {
  const ground = makeGround();
  const journal = must(openJournal(ground.path('events')));
  journal.close();
  const { session } = openHere(ground, { sink: journal.sink });
  expect(must(await session.write([own('one', sh`changed`)])).results[0]?.status).toBe('changed');
});
