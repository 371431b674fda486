import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { sh } from '../../provider/model/shell.ts';
import { capture } from '../lab/process.ts';
import { useLab } from '../lab/vitest.ts';
import { standstillKernel } from '../lab/guest/standstill.ts';
import { builtCli, fleetDefinition, stillGuest } from './cli.fixture.ts';

const lab = useLab({ hosts: 1, name: 'gitops' });
const root = mkdtempSync(join(tmpdir(), 'stockade-gitops-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const examples = join(import.meta.dirname, '../../examples/gitops');
const at = (...parts: readonly string[]) => join(root, ...parts);

/** Stands in for a program that speaks to GitHub or GitLab: keeps its arguments, its stdin and the comment. */
const standIn = `#!/bin/sh
printf '%s\\n' "$0" "$@" >>"$STAND_IN/calls"
case $0 in *curl) cat >"$STAND_IN/stdin" ;; esac
cp plan.md "$STAND_IN/comment.md"
`;

const step = z.object({
  name: z.string().optional(),
  uses: z.string().optional(),
  if: z.string().optional(),
  run: z.string().optional(),
  env: z.record(z.string(), z.string()).optional(),
});
const github = z
  .object({ jobs: z.record(z.string(), z.object({ steps: z.array(step) })) })
  .parse(parse(readFileSync(join(examples, 'github.yml'), 'utf8')));
const lines = z.array(z.string()).default([]);
const gitlabJob = z.object({ script: lines, after_script: lines, before_script: lines });
const gitlab = parse(readFileSync(join(examples, 'gitlab-ci.yml'), 'utf8')) as Readonly<
  Record<string, unknown>
>;

function define(memoryMib: number): void {
  const { hosts, ...rest } = fleetDefinition({
    hosts: lab.hosts,
    guests: { web1: stillGuest('h1', { memoryMib, kernel: { file: '../still' } }) },
  });
  const entries = Object.entries(hosts as Readonly<Record<string, object>>).map(([name, entry]) => [
    name,
    { ...entry, privateKeyFile: '../deploy-key' },
  ]);
  writeFileSync(
    at('repository/fleet/hosts.yaml'),
    stringify({ hosts: Object.fromEntries(entries) as object }),
  );
  writeFileSync(at('repository/fleet/fleet.yaml'), stringify(rest));
}

beforeAll(async () => {
  for (const folder of ['repository/fleet', 'stand-in', 'bin', 'stockade-vm/dist'])
    mkdirSync(at(folder), { recursive: true });
  for (const name of ['gh', 'curl']) {
    writeFileSync(at('bin', name), standIn);
    chmodSync(at('bin', name), 0o755);
  }
  // the package as it would be published: its program and no more
  cpSync(await builtCli(), at('stockade-vm/dist/stockade.cjs'));
  writeFileSync(
    at('stockade-vm/package.json'),
    JSON.stringify({ name: 'stockade-vm', version: '0.1.0', bin: { stockade: 'dist/stockade.cjs' } }),
  );
  writeFileSync(at('repository/still'), standstillKernel());
  const dependencies = { 'stockade-vm': 'file:../stockade-vm' };
  writeFileSync(
    at('repository/package.json'),
    JSON.stringify({ name: 'fleet', version: '1.0.0', dependencies }),
  );
  await capture('npm', ['install', '--offline', '--package-lock-only'], { cwd: at('repository') });
  define(64);
});

interface Ran {
  /** Of the first step that failed; 0 where none did. */
  readonly exitCode: number;
  readonly output: string;
}

async function run(script: string, environment: Readonly<Record<string, string>>): Promise<Ran> {
  const { PATH = '' } = process.env;
  // as GitHub runs a step; GitLab adds pipefail where it can
  const ran = await capture('bash', ['--noprofile', '--norc', '-eo', 'pipefail', '-c', script], {
    cwd: at('repository'),
    env: {
      ...{ PATH: `${at('bin')}:${PATH}`, HOME: root, CI: 'true', STAND_IN: at('stand-in') },
      // nothing of this comes from a registry
      ...{ npm_config_offline: 'true', npm_config_audit: 'false' },
      ...environment,
    },
    timeoutSeconds: 240,
  });
  return { exitCode: ran.exitCode, output: ran.stdout + ran.stderr };
}

/** A job begins with what is checked out, and, after the first one of its pipeline, with what that installed. */
function cleanUp(): void {
  for (const name of ['deploy-key', 'plan.md', 'deploy.plan', 'evidence.json'])
    rmSync(at('repository', name), { recursive: true, force: true });
}

const install = 'npm ci';
/** It takes longer than all else, and does the same each time: each pipeline's own step runs once, on nothing that is there. */
const isInstalled = () => existsSync(at('repository/node_modules'));
const uninstalled = () => rmSync(at('repository/node_modules'), { recursive: true, force: true });

async function githubJob(name: string): Promise<Ran> {
  cleanUp();
  const expressions: Readonly<Record<string, string>> = {
    'secrets.STOCKADE_KEY': readFileSync(lab.host.keyFile, 'utf8').trimEnd(),
    'github.token': 'a-token',
    'github.repository': 'ada/fleet',
    'github.event.number': '12',
  };
  let all: Ran = { exitCode: 0, output: '' };
  for (const { run: script, env = {}, if: condition = 'success()' } of github.jobs[name]?.steps ?? []) {
    if (script === undefined || (all.exitCode !== 0 && !condition.includes('!cancelled()'))) continue;
    if (script === install && isInstalled()) continue;
    const values = Object.entries(env).map(([key, text]) => {
      const expression = /^\$\{\{ (.*) \}\}$/.exec(text)?.[1] ?? '';
      return [key, expressions[expression] ?? expect.fail(`nothing is known of ${text}`)] as const;
    });
    const one = await run(script, { GITHUB_STEP_SUMMARY: at('summary.md'), ...Object.fromEntries(values) });
    all = { exitCode: all.exitCode === 0 ? one.exitCode : all.exitCode, output: all.output + one.output };
  }
  return all;
}

async function gitlabRun(name: string): Promise<Ran> {
  cleanUp();
  const { before_script: before } = gitlabJob.parse(gitlab['default']);
  const { script, after_script: after } = gitlabJob.parse(gitlab[name]);
  const environment = {
    STOCKADE_KEY: lab.host.keyFile,
    STOCKADE_TOKEN: 'a-token',
    CI_API_V4_URL: 'https://gitlab.example.org/api/v4',
    CI_PROJECT_ID: '7',
    CI_MERGE_REQUEST_IID: '12',
  };
  const needed = before.filter((line) => line !== install || !isInstalled());
  const ran = await run([...needed, ...script].join('\n'), environment);
  const told = after.length === 0 ? { output: '' } : await run(after.join('\n'), environment);
  return { exitCode: ran.exitCode, output: ran.output + told.output };
}

const said = (file: string) => readFileSync(at('stand-in', file), 'utf8');
const isActive = async () =>
  (await lab.host.exec(['systemctl', 'is-active', 'stockade-guest@web1.service'])).stdout.trim();

describe('the workflow for GitHub', () => {
  beforeAll(uninstalled);

  it('comments the plan on the request, and changes nothing', async () => {
    expect(await githubJob('plan')).toMatchObject({ exitCode: 0 });
    expect(said('comment.md')).toContain('**3 to create; 0 stay as they are**');
    expect(said('calls')).toContain('pr\ncomment\n12\n--body-file\nplan.md\n');
    expect(isInstalled()).toBe(true);
    expect(await isActive()).not.toBe('active');
  });

  it('applies on merge', async () => {
    expect(await githubJob('apply')).toMatchObject({ exitCode: 0 });
    expect(await isActive()).toBe('active');
    expect(readFileSync(at('summary.md'), 'utf8')).toContain('3 to create');
  });

  it('keeps the evidence every night, and fails where a guest is not isolated', async () => {
    expect(await githubJob('evidence')).toMatchObject({ exitCode: 0 });
    expect(readFileSync(at('repository/evidence.json'), 'utf8')).toContain('"isolated":true');
    await lab.host.run(sh`chmod 0777 /run/stockade/root/web1`);
    const failed = await githubJob('evidence');
    expect(failed.exitCode).toBe(2);
    expect(failed.output).toContain('guest web1 on h1: chroot is ineffective');
    expect(readFileSync(at('repository/evidence.json'), 'utf8')).toContain('"isolated":false');
    await lab.host.run(sh`chmod 0000 /run/stockade/root/web1`);
  });

  it('comments too where a host cannot be planned, and fails', async () => {
    const good = readFileSync(at('repository/fleet/hosts.yaml'), 'utf8');
    writeFileSync(at('repository/fleet/hosts.yaml'), good.replace(/port: \d+/, 'port: 1'));
    expect(await githubJob('plan')).toMatchObject({ exitCode: 1 });
    expect(said('comment.md')).toContain('CANNOT BE PLANNED');
    writeFileSync(at('repository/fleet/hosts.yaml'), 'hosts: [');
    rmSync(at('stand-in/comment.md'));
    const broken = await githubJob('plan');
    expect(broken.exitCode).toBe(1);
    expect(broken.output).toMatch(/fleet\/hosts\.yaml:1:\d+: error/);
    define(72);
  });
});

describe('the pipeline for GitLab', () => {
  beforeAll(uninstalled);

  it('does the same, with the token in nobody’s arguments', async () => {
    rmSync(at('stand-in'), { recursive: true });
    mkdirSync(at('stand-in'));
    expect(isInstalled()).toBe(false);
    expect(await gitlabRun('plan')).toMatchObject({ exitCode: 0 });
    expect(said('comment.md')).toContain('1 to restart');
    expect(said('stdin')).toBe('PRIVATE-TOKEN: a-token\n');
    expect(said('calls')).not.toContain('a-token');
    expect(said('calls')).toContain('https://gitlab.example.org/api/v4/projects/7/merge_requests/12/notes\n');
    expect(await gitlabRun('apply')).toMatchObject({ exitCode: 0 });
    expect(await isActive()).toBe('active');
    expect(await gitlabRun('evidence')).toMatchObject({ exitCode: 0 });
    expect(existsSync(at('repository/evidence.json'))).toBe(true);
  });
});
