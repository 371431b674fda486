import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeText } from '../../provider/definitions/decode.ts';
import { type Diagnostic, failure } from '../../provider/model/diagnostic.ts';
import type { DefinitionText } from '../../provider/spec/definitions.ts';
import { readDefinitions } from '../../provider/spec/yaml/read.ts';

const folder = 'examples/yaml';
const good = readdirSync(folder)
  .filter((name) => name.endsWith('.yaml'))
  .map((name) => ({ name, bytes: readFileSync(path.join(folder, name)) }));

/** A definition that says nearly everything, so that mutations meet every rule. */
const everything = Buffer.from(`$schema: x
fleet: prod
unreachable: keep
defaults: &all
  hosts: { user: ops, sudo: true, hostKey: "ssh-ed25519 AAAA", privateKeyFile: ~/.ssh/k }
  guests: { memoryMib: 256, kernel: { file: vmlinuz }, limits: { tasks: 100, cpuPercent: 50 } }
profiles:
  base: { accelerator: tcg, isolation: { off: [net-namespace], mayBeMissing: [lsm] } }
  web: { profile: base, commandLine: 'console=ttyS0 root=/dev/vda', vcpus: null }
hosts:
  hv1: { address: hv1.example.org, probes: { run: "1" } }
users:
  - { host: hv1, scheme: range, firstDomid: 1, lastDomid: 64, uidBase: 100000 }
guests:
  web1:
    host: hv1
    profile: web
    disks:
      - &disk { name: root, path: /srv/web1.img, format: raw, sizeMib: 1024 }
      - { name: tools, path: /srv/tools.qcow2, format: qcow2, readonly: true, backing: [{ path: /srv/b, format: raw }] }
    shares:
      - { tag: docs, source: /usr/share/doc, driver: virtiofs, uidMap: [{ guest: 0, host: 100000, count: 10 }] }
    devices: [/dev/net/tun, "/dev/vfio/12"]
    commandLine: >-
      console=ttyS0
      quiet
`);

/** Pieces that mean something in YAML, or to who shows text. */
const pieces = [
  ...[
    ':',
    ': ',
    '- ',
    '? ',
    '#',
    ' #',
    '&a ',
    '*a',
    '*disk',
    '*all',
    '!',
    '!!str ',
    '!!set ',
    '<<: *disk',
    '|',
    '>',
    '%',
    '@',
    '`',
  ],
  ...[
    '{',
    '}',
    '[',
    ']',
    ',',
    '"',
    "'",
    '\n',
    '\r\n',
    '\t',
    ' ',
    '\n---\n',
    '\n...\n',
    '\n%YAML 1.1\n---\n',
    '~',
    'null',
  ],
  ...[
    '\u0000',
    '\u001b[2J',
    '\u202e',
    '\ufeff',
    '\u2028',
    '\ud83d',
    '\\',
    '\\x',
    '\\u12',
    '__proto__: ',
    'constructor: ',
  ],
  ...['0x1f', '1e999', '.nan', '-0', '99999999999999999999', '[[[[[[[[[[', '{a: {a: {a: ', '- - - - - - '],
];

type Mutation = (bytes: Buffer) => Buffer;

const at = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });
const cut = (bytes: Buffer, from: number, length: number, put: Buffer) =>
  Buffer.concat([bytes.subarray(0, from), put, bytes.subarray(from + length)]);
const place = (bytes: Buffer, where: number) => Math.floor(where * (bytes.length + 1));

const onBytes: fc.Arbitrary<Mutation> = fc.oneof(
  fc.tuple(at, fc.nat(20)).map(
    ([where, length]): Mutation =>
      (bytes) =>
        cut(bytes, place(bytes, where), length, Buffer.alloc(0)),
  ),
  fc.tuple(at, fc.constantFrom(...pieces)).map(
    ([where, piece]): Mutation =>
      (bytes) =>
        cut(bytes, place(bytes, where), 0, Buffer.from(piece)),
  ),
  fc.tuple(at, fc.nat(255)).map(
    ([where, byte]): Mutation =>
      (bytes) =>
        cut(bytes, place(bytes, where), 1, Buffer.from([byte])),
  ),
  fc.tuple(at, fc.nat(7)).map(
    ([where, bit]): Mutation =>
      (bytes) => {
        const flipped = Buffer.from(bytes);
        const index = Math.min(place(bytes, where), bytes.length - 1);
        if (index >= 0) flipped[index] = (flipped[index] ?? 0) ^ (1 << bit);
        return flipped;
      },
  ),
);

const onLines = (change: (lines: string[], one: number, other: number) => string[]) =>
  fc.tuple(at, at).map(
    ([one, other]): Mutation =>
      (bytes) => {
        const lines = bytes.toString('latin1').split('\n');
        const changed = change(lines, Math.floor(one * lines.length), Math.floor(other * lines.length));
        return Buffer.from(changed.join('\n'), 'latin1');
      },
  );

const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  { weight: 3, arbitrary: onBytes },
  onLines((lines, one) => lines.toSpliced(one, 1)),
  onLines((lines, one, other) => lines.toSpliced(other, 0, lines[one] ?? '')),
  onLines((lines, one) => lines.with(one, ` ${lines[one] ?? ''}`)),
  onLines((lines, one) => lines.with(one, (lines[one] ?? '').trimStart())),
  onLines((lines, one, other) => lines.with(one, lines[other] ?? '').with(other, lines[one] ?? '')),
  onLines((lines, one) => lines.slice(0, one)),
);

interface MutatedFile {
  readonly name: string;
  readonly bytes: Buffer;
}

/** Whatever the bytes are: an answer, and with each problem a place in one of the files and words that are harmless. */
function expectAnswer(files: readonly MutatedFile[]): void {
  const decoded = files.map(({ name, bytes }) => decodeText(name, bytes));
  const texts = decoded.filter((one): one is DefinitionText => 'text' in one);
  const read = texts.length === 0 ? failure() : readDefinitions(texts);
  for (const one of decoded) if ('severity' in one) expectHarmless(one, files);
  if (read.ok) return;
  expect(texts.length === 0 || read.diagnostics.length > 0).toBe(true);
  for (const one of read.diagnostics) expectHarmless(one, files);
}

function expectHarmless({ summary, hint = '', source }: Diagnostic, files: readonly MutatedFile[]): void {
  const file = files.find(({ name }) => name === source?.file);
  const lines = file?.bytes.toString('latin1').split('\n').length ?? 0;
  expect(source?.line).toBeGreaterThanOrEqual(1);
  expect(source?.line).toBeLessThanOrEqual(lines);
  expect(source?.column).toBeGreaterThanOrEqual(1);
  const said = `${summary} ${hint}`;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it looks for
  expect(said).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2028\u2029]/);
  expect(said).not.toMatch(/node_modules|\.ts:\d|TypeError|RangeError|\[object/);
}

describe('definitions', () => {
  it('of this test are good before they are mutated', () => {
    expect(readDefinitions([{ name: 'all.yaml', text: everything.toString('utf8') }]).ok).toBe(true);
    const texts = good.map(({ name, bytes }) => ({ name, text: bytes.toString('utf8') }));
    expect(readDefinitions(texts).ok).toBe(true);
  });

  it('that were mutated are read, or refused with places', () => {
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 6 }), (mutations) => {
        const bytes = mutations.reduce<Buffer>((before, mutate) => mutate(before), everything);
        expectAnswer([{ name: 'all.yaml', bytes }]);
      }),
      { numRuns: 500 },
    );
  });

  it('of several files, one of them mutated, are read, or refused with places', () => {
    fc.assert(
      fc.property(
        fc.nat(good.length - 1),
        fc.array(mutation, { minLength: 1, maxLength: 3 }),
        (which, mutations) => {
          const files = good.map(({ name, bytes }, index) => ({
            name,
            bytes:
              index === which ? mutations.reduce<Buffer>((before, mutate) => mutate(before), bytes) : bytes,
          }));
          expectAnswer(files);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('of any bytes and of any text are refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) =>
        expectAnswer([{ name: 'all.yaml', bytes: Buffer.from(bytes) }]),
      ),
    );
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 40 }), (some) =>
        expectAnswer([{ name: 'all.yaml', bytes: Buffer.from(some.join('')) }]),
      ),
      { numRuns: 500 },
    );
  });
});
