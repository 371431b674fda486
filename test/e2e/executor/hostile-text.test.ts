import fc from 'fast-check';
import { existsSync, readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { sh, word } from '../../../provider/model/shell.ts';
import { makeGround, must, openHere, own, section, together } from './fixture.ts';

const nasty = fc.constantFrom(
  "'",
  '"',
  '`touch ran`',
  '$(touch ran)',
  '; touch ran;',
  '\n',
  '\ntouch ran\n',
  '\\',
  '-',
  '--',
  '*',
  'esac',
  '}',
  '# stockade: end of script',
  ' ',
  '%s',
  '\u001b[2J',
  '\u009b',
  'ü',
  '!',
  '~',
);
const text = fc
  .array(fc.oneof(nasty, fc.string({ unit: 'binary', maxLength: 5 })), { maxLength: 8 })
  .map((parts) => parts.join('').replaceAll('\0', ''))
  .filter((joined) => Buffer.from(joined).toString() === joined);

const batch = fc.record({
  ids: fc.uniqueArray(text, { maxLength: 4 }),
  values: fc.array(text, { maxLength: 4 }),
  members: fc.uniqueArray(text, { maxLength: 4 }),
  args: fc.uniqueArray(text, { maxLength: 4 }),
  name: text,
});

test('ids, values, members, arguments and names of any text reach the shell and come back, and none is run', async () => {
  const ground = makeGround();
  const { session } = openHere(ground, { gather: { quietMilliseconds: 0 } });
  const member = sh`cd ${ground.at('')}; for one in "$@"; do member_changed "$one"; member_give "$one" is "$one"; done`;
  await fc.assert(
    fc.asyncProperty(batch, async ({ ids, values, members, args, name }) => {
      const gives = values.map((value, index) => sh`give v${index} ${word(value)}`);
      const body = sh`cd ${ground.at('')}; changed; ${gives.reduce((all, one) => sh`${all}\n${one}`, sh``)}`;
      const { results, sections } = must(
        await session.write(
          [
            ...ids.map((id) => own(`own ${id}`, body)),
            ...members.map((argument) => together(`member ${argument}`, name, member, argument)),
          ],
          [section(name, sh`cd ${ground.at('')}; for one in "$@"; do printf '%s\\0' "$one"; done`, args)],
        ),
      );
      expect(results.map(({ id, status, values }) => ({ id, status, values }))).toEqual([
        ...ids.map((id) => ({
          id: `own ${id}`,
          status: 'changed',
          values: Object.fromEntries(values.map((value, index) => [`v${index}`, value])),
        })),
        ...members.map((argument) => ({
          id: `member ${argument}`,
          status: 'changed',
          values: { is: argument },
        })),
      ]);
      const shown = Buffer.from(sections.get(name) ?? []).toString('utf8');
      expect(shown).toBe(args.map((one) => `${one}\0`).join(''));
    }),
    { numRuns: 60 },
  );
  expect(existsSync(ground.path('ran'))).toBe(false);
  expect(readdirSync(ground.directory)).toEqual([]);
});

test('what steps and sections print comes back, any bytes', async () => {
  const { session } = openHere(makeGround(), { gather: { quietMilliseconds: 0 } });
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
      const octal = [...bytes].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('');
      const print = sh`printf ${word(octal)}`;
      const { results, sections } = must(await session.write([own('own', print)], [section('s', print)]));
      expect(results[0]?.output).toBe(Buffer.from(bytes).toString('utf8'));
      expect(sections.get('s')).toEqual(new Uint8Array(bytes));
    }),
    { numRuns: 40 },
  );
});
