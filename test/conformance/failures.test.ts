import { describe, expect, test } from 'vitest';
import { type Run, until, type Workspace, workspace } from './workspace.ts';

const behaving = (behaviour: string, more = ''): string =>
  `resource "shelf_thing" "a" {\n  name = "a"\n  behaviour = "${behaviour}"\n${more}\n}`;

async function failingApply(
  one: Workspace,
  environment: Readonly<Record<string, string>> = {},
): Promise<Run> {
  const run = await one.terraform(['apply', '-no-color', '-auto-approve'], environment);
  expect(run.code, run.output).toBe(1);
  return run;
}

describe('a failed create', () => {
  test('that made nothing leaves nothing in the state; the error points into the configuration', async () => {
    const one = await workspace(behaving('fail-clean', 'drawers = [{ label = "x" }, { label = "y" }]'));
    const run = await failingApply(one);
    expect(run.output).toContain('No room');
    expect(run.output).toContain('At drawers[1].label. Make some.');
    expect(run.output).toContain('drawers = [');
    expect(one.resources()).toEqual([]);
  });

  test('that left something behind taints it, and the next apply replaces it', async () => {
    const one = await workspace(behaving('fail-leaving'));
    const run = await failingApply(one);
    expect(run.output).toContain('Half made');
    const left = one.resources()[0]?.instances[0];
    expect(left).toMatchObject({ status: 'tainted', attributes: { id: 'a', revision: null } });
    one.configure(behaving('good'));
    const plan = await one.plan();
    expect(plan.output).toContain('is tainted, so must be replaced');
    await one.apply();
    expect(one.resources()[0]?.instances[0]).not.toHaveProperty('status');
    expect(one.attributes('a')).toMatchObject({ behaviour: 'good', revision: 1 });
  });
});

describe('an exception', () => {
  test('while applying is an error with its message, and no stack', async () => {
    const one = await workspace(behaving('throw'));
    const run = await failingApply(one);
    expect(run.output).toContain('Unexpected error in shelf_thing');
    expect(run.output).toContain('something unforeseen');
    expect(run.output).not.toMatch(/\n\s+at .*\(/);
    expect(one.resources()).toEqual([]);
  });

  test('while planning too; its stack is in the log', async () => {
    const one = await workspace(behaving('throw-plan'));
    const plan = await one.plan();
    expect(plan.code).toBe(1);
    expect(plan.output).toContain('the plan threw this');
    const logged = await one.terraform(['plan', '-no-color'], { TF_LOG: 'debug', TF_LOG_PATH: 'tf.log' });
    expect(logged.output).not.toMatch(/\n\s+at .*\(/);
    const log = one.read('tf.log');
    expect(log).toMatch(
      /\[DEBUG\] provider\.terraform-provider-shelf_v1\.2\.3: exception:[\s\S]*?\brpc=PlanResourceChange/,
    );
    expect(log).toMatch(/\| +at plan \(/);
  });
});

describe('the log', () => {
  test('has the calls with their time, at trace only', async () => {
    const one = await workspace('resource "shelf_box" "b" {\n  label = "x"\n}');
    await one.terraform(['plan', '-no-color'], { TF_LOG_PROVIDER: 'trace', TF_LOG_PATH: 'trace.log' });
    expect(one.read('trace.log')).toMatch(
      /\[TRACE\] provider\.terraform-provider-shelf_v1\.2\.3: call:(?=.* milliseconds=\d)(?=.* rpc=PlanResourceChange)(?=.* subject=shelf_box)/,
    );
    await one.terraform(['plan', '-no-color'], { TF_LOG_PROVIDER: 'info', TF_LOG_PATH: 'info.log' });
    expect(one.read('info.log')).not.toContain(': call:');
  });
});

describe('what takes long', () => {
  test('ends at its own time limit', async () => {
    const one = await workspace(behaving('slow', 'timeouts = { create = "0.3s" }'));
    const run = await failingApply(one);
    expect(run.output).toContain('Creating a: timed out');
  });

  test('is cancelled by an interrupt, and nothing is left', async () => {
    const one = await workspace(behaving('slow'));
    const started = one.start(['apply', '-no-color', '-auto-approve']);
    await until('the creation to start', () => one.events().includes('creating a'));
    started.interrupt();
    const run = await started.finished;
    expect(run.code).toBe(1);
    expect(run.output).toContain('Creating a: cancelled');
    expect(one.events()).toContain('cancelled a');
    await one.assertNothingLeft();
  });

  test('a provider whose terraform was killed goes too', async () => {
    const one = await workspace(behaving('slow'));
    const started = one.start(['apply', '-no-color', '-auto-approve']);
    await until('the creation to start', () => one.events().includes('creating a'));
    started.child.kill('SIGKILL');
    await started.finished;
    await one.assertNothingLeft();
  });
});

describe('a provider that dies', () => {
  test('of its own mistake: a clear error, at once, and the state survives', async () => {
    const one = await workspace('resource "shelf_box" "b" {\n  label = "x"\n}');
    await one.apply();
    one.configure(`resource "shelf_box" "b" {\n  label = "x"\n}\n${behaving('crash')}`);
    const run = await failingApply(one);
    expect(run.output).toContain('the shelf collapsed');
    expect(run.output).toMatch(/terraform-provider-shelf_v1\.2\.3 plugin crashed/);
    expect(run.output).not.toMatch(/\n\s+at .*\(/);
    expect(one.attributes('b')['id']).toBe('box-x');
  });

  test('by a kill: an error, no hang', async () => {
    const one = await workspace(behaving('slow'));
    const started = one.start(['apply', '-no-color', '-auto-approve']);
    await until('the creation to start', () => one.events().includes('creating a'));
    const providers = one.processes().filter((pid) => pid !== started.child.pid);
    for (const pid of providers) process.kill(pid, 'SIGTERM');
    const run = await started.finished;
    expect(run.code).toBe(1);
    expect(run.output).toMatch(/Plugin did not respond|Request cancelled|EOF|plugin/);
    await one.assertNothingLeft();
  });
});
