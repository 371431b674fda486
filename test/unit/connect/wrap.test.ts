import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { wrapCommand } from '../../../provider/connect/wrap.ts';
import { sh, UnquotableError, word } from '../../../provider/model/shell.ts';

const root = join(import.meta.dirname, '../../..');

describe('a wrapped command', () => {
  it('says its process id first, and then is what was asked for', () => {
    const text = wrapCommand(sh`echo "a 'b' $0"; exit 3`, word('marker'), false).text;
    const done = spawnSync('/bin/sh', ['-c', text], { encoding: 'utf8' });
    expect(done.status).toBe(3);
    expect(done.stdout).toBe("a 'b' /bin/sh\n");
    expect(done.stderr).toMatch(/^marker \d+\n$/);
  });

  it('is announced even when its own text is no shell', () => {
    const text = wrapCommand(sh`if then (`, word('marker'), false).text;
    const done = spawnSync('/bin/sh', ['-c', text], { encoding: 'utf8' });
    expect(done.status).not.toBe(0);
    expect(done.stderr).toMatch(/^marker \d+\n/);
  });

  it('is refused when no shell could be given it as one argument', () => {
    const long = (length: number) => wrapCommand(sh`: ${word('x'.repeat(length))}`, word('marker'), true);
    expect(() => long(128 * 1024)).toThrow(UnquotableError);
    const longest = long(130_000).text;
    expect(spawnSync('/bin/sh', ['-c', `: ${word(longest).text}`]).error).toBeUndefined();
  });
});

describe('ssh2', () => {
  const sources = readdirSync(join(root, 'provider'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => ({ name, text: readFileSync(join(root, 'provider', name), 'utf8') }));
  const using = (pattern: RegExp) => sources.filter(({ text }) => pattern.test(text)).map(({ name }) => name);

  it('makes a client in one place, which cannot do without a verifier', () => {
    expect(using(/\bnew (\w+\.)?Client\b[^;]*/).filter((name) => name.startsWith('connect/'))).toEqual([
      'connect/dial.ts',
    ]);
    expect(using(/(import|require)\(['"]ssh2['"]\)|^import (?!type)[^;]*from ['"]ssh2['"]/m)).toEqual([
      'connect/dial.ts',
    ]);
    const dial = sources.find(({ name }) => name === 'connect/dial.ts')?.text ?? '';
    expect(dial.match(/\.connect\(\{/g)).toHaveLength(1);
    expect(dial).toMatch(/\.connect\(\{[^}]*hostVerifier: \(blob: Buffer\): boolean =>/);
  });

  it('is not loaded before the first command', { timeout: 30_000 }, () => {
    const program = `
      import { createRequire } from 'node:module';
      import { openConnection } from ${JSON.stringify(join(root, 'provider/connect/open.ts'))};
      import { sh } from ${JSON.stringify(join(root, 'provider/model/shell.ts'))};
      const loaded = () => Object.keys(createRequire(import.meta.url).cache).some((path) => path.includes('/ssh2/'));
      const trust = { kind: 'known-hosts', files: [] };
      const connection = openConnection({ connection: 'ssh2', host: 'h', address: '127.0.0.1', port: 1, user: 'root',
        trust, identities: [], sudo: false, connectTimeoutSeconds: 1 }, { clock: { now: () => 0 } });
      const before = loaded();
      await connection.exec(sh\`true\`, { timeoutSeconds: 1, maxStdoutBytes: 1 });
      console.log(before, loaded());
    `;
    const args = ['--import', 'tsx', '--input-type=module', '--eval', program];
    expect(execFileSync(process.execPath, args, { cwd: root, encoding: 'utf8' })).toBe('false true\n');
  });
});
