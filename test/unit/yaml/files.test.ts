import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readDefinitionFiles } from '../../../provider/definitions/files.ts';
import { maxFileBytes } from '../../../provider/spec/yaml/limits.ts';

const folder = mkdtempSync(join(tmpdir(), 'stockade-files-'));
const at = (name: string) => join(folder, name);

beforeAll(() => {
  for (const name of ['b.yaml', 'a.yml', 'c.YAML', '.hidden.yaml', 'notes.md']) writeFileSync(at(name), name);
  mkdirSync(at('below'));
  mkdirSync(at('empty'));
  writeFileSync(at('below/d.yaml'), 'd');
  symlinkSync('b.yaml', at('z-link.yaml'));
  symlinkSync('loop', at('loop'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const names = (...paths: readonly string[]) => {
  const read = readDefinitionFiles(paths);
  return read.ok ? read.value.map(({ name, text }) => `${basename(name)}=${text}`) : read.diagnostics;
};
const refusal = (path: string) => {
  const read = readDefinitionFiles([path]);
  return read.ok ? '' : read.diagnostics.map(({ summary }) => summary).join('\n');
};

describe('files of definitions', () => {
  it('of a directory: by name, none hidden, none of other kinds, none below, none twice', () => {
    expect(names(folder)).toEqual(['a.yml=a.yml', 'b.yaml=b.yaml']);
  });

  it('that are named are read whatever their name, in the order given', () => {
    expect(names(at('notes.md'), at('below'), at('notes.md'), folder)).toEqual([
      ...['notes.md=notes.md', 'd.yaml=d', 'a.yml=a.yml', 'b.yaml=b.yaml'],
    ]);
  });

  it.each([
    ['missing', /missing" cannot be read: there is no such file or directory/],
    ['a.yml/x', /a part of the path is no directory/],
    ['empty', /has no definitions/],
    ['loop', /it is a symbolic link to itself/],
  ])('%s', (name, message) => {
    expect(refusal(at(name))).toMatch(message);
  });

  it('that are no regular files are not opened: a FIFO would wait for ever', () => {
    expect(spawnSync('mkfifo', [at('fifo.yaml')]).status).toBe(0);
    expect(refusal(at('fifo.yaml'))).toMatch(/is no regular file/);
    expect(refusal('/dev/zero')).toMatch(/is no regular file/);
    rmSync(at('fifo.yaml'));
  });

  it('that are too large are not read', () => {
    writeFileSync(at('below/large'), '');
    truncateSync(at('below/large'), maxFileBytes + 1);
    expect(refusal(at('below/large'))).toMatch(/is too large/);
  });

  it('whose names move the cursor are named harmlessly', () => {
    expect(refusal(at('\u001b[2J.yaml'))).toMatch(/^[\x20-\x7e]+ cannot be read: [a-z ]+$/);
  });

  it('are told all at once', () => {
    const read = readDefinitionFiles([at('missing'), at('empty'), at('a.yml')]);
    expect(read.ok ? [] : read.diagnostics).toHaveLength(2);
  });
});
