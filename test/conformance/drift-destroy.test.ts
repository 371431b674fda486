import { rmSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { workspace } from './workspace.ts';

const thing = (attributes: string): string => `resource "shelf_thing" "a" {\n  name = "a"\n${attributes}\n}`;

describe('drift', () => {
  test('shows in the plan by name, and apply heals it', async () => {
    const one = await workspace(thing(''));
    await one.apply();
    one.tamper('a', { intact: false });
    const plan = await one.plan();
    expect(plan.code, plan.output).toBe(2);
    expect(plan.output).toMatch(/intact += false -> true/);
    expect(plan.output).toMatch(/revision += 1 -> \(known after apply\)/);
    await one.apply();
    expect(one.thing('a')).toMatchObject({ intact: true, revision: 2 });
    expect((await one.plan()).code).toBe(0);
  });

  test('a refreshed attribute is offered by -refresh-only, and taken over by it', async () => {
    const one = await workspace(thing(''));
    await one.apply();
    one.tamper('a', { revision: 9 });
    const plan = await one.plan('-refresh-only');
    expect(plan.output).toMatch(/revision += 1 -> 9/);
    await one.apply('-refresh-only');
    expect(one.attributes('a')['revision']).toBe(9);
  });

  test('what is gone is made anew', async () => {
    const one = await workspace(thing(''));
    await one.apply();
    rmSync(path.join(one.shelf, 'a.json'));
    const plan = await one.plan();
    expect(plan.output).toContain('1 to add');
    await one.apply();
    expect(one.hasThing('a')).toBe(true);
  });

  test('a failing read is an error at the resource, and keeps the state', async () => {
    const one = await workspace(thing(''));
    await one.apply();
    one.tamper('a', { size: 'broken' });
    const plan = await one.plan();
    expect(plan.code).toBe(1);
    expect(plan.output).toContain('The shelf is broken');
    expect(plan.output).toContain('At integrity.intact.');
    expect(one.attributes('a')['id']).toBe('a');
  });
});

describe('destroy', () => {
  test('may warn in its plan, and gets the private state of the plan', async () => {
    const one = await workspace(thing('behaviour = "warn-delete"'));
    await one.apply();
    const plan = await one.plan('-destroy');
    expect(plan.output).toContain('It will be missed');
    await one.destroy();
    expect(one.events()).toMatch(/deleted a mark=.*"mark":"made-a".*"deletePlanned":true/);
  });

  test('that fails keeps the object', async () => {
    const one = await workspace(thing('behaviour = "sticky"'));
    await one.apply();
    const run = await one.terraform(['destroy', '-no-color', '-auto-approve']);
    expect(run.code).toBe(1);
    expect(run.output).toContain('Pull harder.');
    expect(one.attributes('a')).toMatchObject({ id: 'a', behaviour: 'sticky' });
  });
});
