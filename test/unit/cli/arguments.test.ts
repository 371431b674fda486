import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, describe, expect, it } from 'vitest';
import { program, runProgram } from '../../../provider/cli/program.ts';
import { Console } from '../../../provider/cli/views/console.ts';

const folder = mkdtempSync(join(tmpdir(), 'stockade-arguments-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function run(...words: readonly string[]) {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  let exitCode = 0;
  const context = {
    console: new Console({ stdin, stdout, stderr, environment: {} }),
    onInterrupt: () => () => undefined,
    end: (code: number) => {
      exitCode = exitCode === 0 ? code : exitCode;
    },
    now: () => 0,
  };
  await runProgram(program(context, '1.2.3'), words, context);
  const text = (stream: PassThrough) =>
    ((stream.read() as Buffer | null) ?? Buffer.alloc(0)).toString('utf8');
  return { exitCode, stdout: text(stdout), stderr: text(stderr) };
}

const good = join(folder, 'good.yaml');
writeFileSync(
  good,
  `fleet: prod
hosts: { hv1: { address: x, hostKey: ssh-ed25519 AAAA, agent: true } }
users: [{ host: hv1 }]
guests: { web1: { host: hv1, memoryMib: 64, kernel: { file: no-such-kernel } } }
`,
);

describe('the command line', () => {
  it('says its version, and what there is', async () => {
    expect(await run('--version')).toMatchObject({ exitCode: 0, stdout: '1.2.3\n' });
    const { stdout } = await run('--help');
    for (const name of [
      'init',
      'validate',
      'plan',
      'apply',
      'destroy',
      'import',
      'evidence',
      'hosts',
      'graph',
      'explain',
      'schema',
      'completion',
    ]) {
      expect(stdout).toMatch(new RegExp(`^  ${name}\\b`, 'm'));
    }
  });

  it.each([
    [['plan', '--parallelism', '0'], 'from 1 to 9999'],
    [['plan', '--nonsense'], "unknown option '--nonsense'"],
    [['nonsense'], "unknown command 'nonsense'"],
    [['graph', '--format', 'svg'], 'choices are text, dot'],
    [['completion', 'csh'], 'choices are bash, zsh, fish'],
    [['explain'], "missing required argument 'address'"],
    [['init', '--fleet', 'Not A Name'], 'A name is'],
  ])('%j is refused', async (words, text) => {
    const { exitCode, stdout, stderr } = await run(...words);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toContain(text);
  });

  it('completes for each shell', async () => {
    for (const shell of ['bash', 'zsh', 'fish']) {
      const { stdout } = await run('completion', shell);
      expect(stdout).toContain('detailed-exitcode');
    }
  });

  it('prints a JSON Schema', async () => {
    expect(JSON.parse((await run('schema')).stdout)).toMatchObject({
      $schema: expect.stringContaining('draft-07') as string,
    });
  });
});

describe('definitions', () => {
  it('that are missing are told with what to do', async () => {
    const { exitCode, stderr } = await run('validate', '--file', join(folder, 'no-such.yaml'));
    expect(exitCode).toBe(1);
    expect(stderr).toContain('there is no such file or directory');
    expect(stderr).toContain('stockade init');
  });

  it('that name a file of this machine that is not there are told with the place', async () => {
    const { exitCode, stderr } = await run('validate', '-f', good);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/good\.yaml:4:\d+: error: kernel file ".*no-such-kernel": there is no such file/);
  });

  it('are drawn as a graph', async () => {
    expect((await run('graph', '-f', good)).stdout).toContain('      guest web1\n');
    expect((await run('graph', '-f', good, '--format', 'dot')).stdout).toContain(
      '"guest hv1/web1" -> "users hv1/per-domain"',
    );
  });
});

describe('a plan file', () => {
  it('that is none is refused before anything is looked at', async () => {
    const file = join(folder, 'bad.plan');
    writeFileSync(file, '{"format":"x"}');
    const { exitCode, stderr } = await run('apply', file, '--yes');
    expect(exitCode).toBe(1);
    expect(stderr).toContain('is not a plan that can be applied');
    expect((await run('apply', file, '--limit', 'hv1')).stderr).toContain(
      '--limit and --exclude belong to plan',
    );
  });
});
