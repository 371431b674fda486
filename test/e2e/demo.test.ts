import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runsDirectory } from '../lab/paths.ts';
import { builtProvider } from './terraform.fixture.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
let folder: string;

beforeAll(async () => {
  await builtProvider();
  // A directory of its own for temporary files shows what a run leaves behind.
  folder = mkdtempSync(path.join(tmpdir(), 'stockade-demo-test-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

interface Run {
  readonly exitCode: number | null;
  readonly output: string;
  /** Runs of the lab that this demo started and that are still there. */
  readonly leftLabs: readonly string[];
  readonly leftFiles: readonly string[];
}

const demoLabs = () => readdirSync(runsDirectory()).filter((name) => name.startsWith('demo-'));

/** Runs the demo; `interruptAt`: it is interrupted when it prints such a line. */
async function runDemo(options: { readonly path?: string; readonly interruptAt?: string }): Promise<Run> {
  const temporary = mkdtempSync(path.join(folder, 'tmp-'));
  const others = demoLabs();
  const child = spawn(process.execPath, ['--import', 'tsx', 'scripts/demo.ts'], {
    cwd: root,
    env: { ...process.env, TMPDIR: temporary, PATH: `${options.path ?? ''}:${process.env['PATH'] ?? ''}` },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    if (options.interruptAt !== undefined && line.includes(options.interruptAt)) child.kill('SIGINT');
  });
  const exitCode = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return {
    exitCode,
    output: lines.join('\n'),
    leftLabs: demoLabs().filter((name) => !others.includes(name)),
    leftFiles: readdirSync(temporary).filter((name) => name.startsWith('stockade-')),
  };
}

describe('npm run demo', () => {
  it('shows everything and leaves nothing', async () => {
    const run = await runDemo({});
    const shown = [
      'Plan: 3 to add, 0 to change, 0 to destroy.',
      'stockade_guest.web1 (web1/Default): Creating...',
      '| [    0.000000] Linux version',
      '| Stockade guest is up',
      '14 layers are effective; beyond a container host: cgroup-limits unproven, lsm missing',
      'exit code 0: nothing to change',
      'Destroy complete! Resources: 3 destroyed.',
      'nothing: the host is as it was',
      'All of it worked',
    ];
    const positions = shown.map((text) => run.output.indexOf(text));
    expect(positions).toEqual(positions.filter((at) => at >= 0).toSorted((a, b) => a - b));
    expect(run).toMatchObject({ exitCode: 0, leftLabs: [], leftFiles: [] });
  });

  it('interrupted in the middle, takes everything away', async () => {
    const run = await runDemo({ interruptAt: 'Terraform has been successfully initialized' });
    expect(run.output).toContain('demo: interrupted');
    expect(run).toMatchObject({ exitCode: 130, leftLabs: [], leftFiles: [] });
  });

  it('says which step failed, and leaves nothing', async () => {
    const programs = mkdtempSync(path.join(folder, 'bin-'));
    writeFileSync(path.join(programs, 'terraform'), '#!/bin/sh\necho "no terraform today" >&2\nexit 3\n', {
      mode: 0o755,
    });
    const run = await runDemo({ path: programs });
    expect(run.output).toContain('no terraform today');
    expect(run.output).toMatch(/^demo: cdktf deploy failed \(exit code \d+\); its reason is above$/m);
    expect(run).toMatchObject({ exitCode: 1, leftLabs: [], leftFiles: [] });
  });
});
