import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import type { ZodType } from 'zod';
import { describe, expect, it } from 'vitest';
import { launcherScript } from '../../provider/jail/launcher.ts';
import { nameRule } from '../../provider/model/names.ts';
import { sh, UnquotableError, word, words } from '../../provider/model/shell.ts';
import { guestOperations, guestRemoval } from '../../provider/resources/guest/operations.ts';
import { renderGuest } from '../../provider/resources/guest/render.ts';
import { fleetSchema } from '../../provider/spec/fleet.ts';
import { guestSchema } from '../../provider/spec/guest.ts';
import { hostSchema } from '../../provider/spec/host.ts';
import { qemuUsersSchema } from '../../provider/spec/qemu-users.ts';
import { sampleGuest, sampleGuestFacts, sampleHost, sampleQemu } from '../samples.ts';

/** What people and attackers put into names: anything but NUL, with a preference for what a shell would act on. */
const hostile = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }).filter((text) => !text.includes('\0')),
  fc.stringMatching(/^[-'"\\$()`;|&<>*?[\]{}~#!=% \n\t\ra-z]{0,300}$/),
  fc.constantFrom(
    '$(echo pwned)',
    '`echo pwned`',
    "'; echo pwned; '",
    '-rf',
    '--',
    '\n',
    "'",
    '"',
    '\\',
    '',
    '${IFS}',
  ),
);

describe('shell words', () => {
  it('reach a program byte for byte, whatever they hold', () => {
    fc.assert(
      fc.property(fc.array(hostile, { maxLength: 8 }), (texts) => {
        const { stdout, stderr, status } = spawnSync('/bin/sh', [
          '-c',
          sh`set -- ${words(texts)}; [ $# -eq 0 ] || printf '%s\\0' "$@"`.text,
        ]);
        expect(stderr.toString()).toBe('');
        expect(status).toBe(0);
        const expected = texts.map((text) => Buffer.concat([Buffer.from(text), Buffer.from([0])]));
        expect(Buffer.compare(stdout, Buffer.concat(expected))).toBe(0);
      }),
      { numRuns: 200 },
    );
  });

  it('refuse what no shell can carry', () => {
    expect(() => word('a\0b')).toThrow(UnquotableError);
    expect(() => sh`${Number.NaN}`).toThrow(UnquotableError);
    expect(() => sh`${1.5}`).toThrow(UnquotableError);
  });

  it('are no ordinary strings: those do not type-check in shell text', () => {
    // @ts-expect-error a raw string must not be an interpolation
    const raw = () => sh`rm ${'x'}`;
    expect(raw).toThrow(UnquotableError);
  });
});

const guestInput = {
  host: 'hv1',
  name: 'web1',
  users: 'hv1/per-domain',
  memoryMib: 64,
  kernel: { hostFile: '/k' },
};

/**
 * Text of the user may stand in rendered shell text only as a quoted word. Every interpolation goes through `word`, so the
 * text is rendered twice, with the hostile value and with a harmless one: if the value stands anywhere but inside quotes,
 * taking the quoted forms out leaves two different texts.
 */
function onlyQuoted(render: (text: string) => string, text: string): void {
  const marker = 'harmless value';
  const take = (rendered: string, value: string) => {
    const inner = word(value).text;
    // The launcher itself is a word of the step that installs it: there its quotes are quoted once more.
    const outer = inner.replaceAll("'", `'\\''`);
    return rendered.replaceAll(outer, '<value>').replaceAll(inner, '<value>');
  };
  expect(take(render(text), text)).toBe(take(render(marker), marker));
}

const unsafe = hostile.filter(
  (text) => /[^A-Za-z0-9_/:=.,@%+-]/.test(text) && text.length > 3 && !text.includes(','),
);
const noise = /(digest|definition|files|launcher|dropin) '?[A-Za-z0-9+/=.:_-]+'?/g;

describe('every place where text of the user reaches a shell', () => {
  it('the launcher: kernel, initrd, command line and QEMU itself', () => {
    fc.assert(
      fc.property(unsafe, (text) => {
        const guest = (value: string) => sampleGuest({ commandLine: value });
        onlyQuoted((value) => renderGuest(guest(value), sampleHost).launcher, text);
        const kernel = (value: string) => sampleGuest({ kernel: { kind: 'host', path: value } });
        onlyQuoted((value) => renderGuest(kernel(value), sampleHost).launcher, text);
        const plan = renderGuest(sampleGuest(), sampleHost).plan;
        onlyQuoted((value) => launcherScript({ ...plan, qemuBinary: value }), text);
      }),
      { numRuns: 300 },
    );
  });

  it("a guest's steps: its definition; what others put beside its unit is not in them", () => {
    fc.assert(
      fc.property(unsafe, (text) => {
        const render = (value: string) => {
          const desired = sampleGuest({ commandLine: value });
          const facts = sampleGuestFacts(sampleGuest(), { foreignUnitFiles: ['/not/in/any/step'] });
          const operations = guestOperations({
            change: {
              address: { kind: 'guest', host: 'hv1', name: 'web1' },
              action: 'restart',
              disruption: 'restart',
              reasons: [],
            },
            desired,
            facts,
            users: { scheme: 'per-domain', firstDomid: 1, lastDomid: 64, uidBase: 200_000 },
            rendered: renderGuest(desired, sampleHost),
            uploads: new Map(),
          });
          const steps = operations.map(({ step }) => step.body.text.replaceAll(noise, '')).join('\n');
          expect(steps).not.toContain('/not/in/any/step');
          return steps;
        };
        onlyQuoted(render, text);
      }),
      { numRuns: 300 },
    );
  });

  it('all of it is well-formed shell, with the most awkward values', () => {
    for (const text of [
      '$(echo pwned)',
      "'",
      '"',
      '\\',
      '`',
      '\n',
      'a\'b"c\\d\n$(e)',
      '-rf',
      'x'.repeat(300),
    ]) {
      const desired = sampleGuest({ commandLine: text, kernel: { kind: 'host', path: `/${text}` } });
      const rendered = renderGuest(desired, { ...sampleHost, qemu: { ...sampleQemu, binary: `/${text}` } });
      const check = (script: string) => spawnSync('/bin/sh', ['-n'], { input: script });
      expect(check(rendered.launcher)).toMatchObject({ status: 0 });
      const facts = sampleGuestFacts(sampleGuest(), { foreignUnitFiles: [text] });
      const operations = guestOperations({
        change: {
          address: { kind: 'guest', host: 'hv1', name: 'web1' },
          action: 'restart',
          disruption: 'restart',
          reasons: [],
        },
        desired,
        facts,
        users: { scheme: 'range', firstDomid: 1, lastDomid: 64, uidBase: 200_000 },
        rendered,
        uploads: new Map(),
      });
      for (const { id, step } of [...operations, ...guestRemoval(desired, desired.fleet, 'any')]) {
        const { status, stderr } = check(`step() {\n${step.body.text}\n}\n`);
        expect([id, status, stderr.toString()]).toEqual([id, 0, '']);
      }
    }
  });
});

describe('names', () => {
  it('that could be anything but a name are refused, with the rule they break', () => {
    const places: readonly (readonly [ZodType, (name: string) => object, string])[] = [
      [guestSchema, (name) => ({ ...guestInput, name }), 'name'],
      [hostSchema, (name) => ({ name }), 'name'],
      [qemuUsersSchema, (name) => ({ host: name }), 'host'],
      [fleetSchema, (name) => ({ fleet: name, hosts: {} }), 'fleet'],
    ];
    fc.assert(
      fc.property(hostile, (text) => {
        for (const [schema, input, field] of places) {
          const { success, error } = schema.safeParse(input(text));
          if (/^[a-z0-9][a-z0-9-]{0,62}$/.test(text) && !text.includes('\n')) expect(success).toBe(true);
          else {
            expect(error?.issues.map(({ path }) => path[0])).toEqual([field]);
            expect(error?.issues[0]?.message).toContain(nameRule);
          }
        }
      }),
    );
    for (const name of ['web1\n', 'a'.repeat(300), '-web', 'Web', '../x', '']) {
      expect(guestSchema.safeParse({ ...guestInput, name }).success).toBe(false);
    }
  });
});
