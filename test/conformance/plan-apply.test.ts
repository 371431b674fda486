import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { workspace } from './workspace.ts';

const thing = (attributes: string): string => `resource "shelf_thing" "a" {\n  name = "a"\n${attributes}\n}`;

describe('plan and apply', () => {
  test('creates with defaults, then has nothing to do, then destroys', async () => {
    const one = await workspace(thing('door = { color = "red" }'));
    const first = await one.plan();
    expect(first.code, first.output).toBe(2);
    expect(first.output).toMatch(/handle = "round"/);
    expect(first.output).toMatch(/serial = \(known after apply\)/);
    await one.apply();
    expect(one.attributes('a')).toMatchObject({
      id: 'a',
      size: 3,
      revision: 1,
      door: { color: 'red', handle: 'round', hinge: null, serial: 'door-of-a' },
      integrity: { present: true, intact: true },
    });
    expect((await one.plan()).code).toBe(0);
    await one.destroy();
    expect(one.hasThing('a')).toBe(false);
    expect(one.resources()).toEqual([]);
  });

  test('applies a saved plan file', async () => {
    const one = await workspace(thing(''));
    await one.plan('-out=saved');
    const run = await one.terraform(['apply', '-no-color', 'saved']);
    expect(run.code, run.output).toBe(0);
    expect(one.hasThing('a')).toBe(true);
  });

  test('changes in place: what is kept stays known, what is computed becomes unknown', async () => {
    const one = await workspace(thing('door = { color = "red" }'));
    await one.apply();
    one.configure(thing('door = { color = "blue" }\nsize = 5'));
    const plan = await one.plan();
    expect(plan.output).toContain('will be updated in-place');
    expect(plan.output).toMatch(/revision +=? *1 -> \(known after apply\)/);
    expect(plan.output).not.toMatch(/serial .*known after apply/);
    expect(plan.output).not.toMatch(/ id .*known after apply/);
    await one.apply();
    expect(one.attributes('a')).toMatchObject({
      id: 'a',
      size: 5,
      revision: 2,
      door: { serial: 'door-of-a' },
    });
    expect(one.thing('a')['privateMark']).toBe('made-a');
    one.configure(thing(''));
    await one.apply();
    expect(one.attributes('a')).toMatchObject({ size: 3, revision: 3, door: null });
  });

  test('replaces for a top-level and for a nested attribute, and names them', async () => {
    const one = await workspace(thing('door = { color = "red", hinge = "left" }'));
    await one.apply();
    one.configure(thing('door = { color = "red", hinge = "right" }'));
    const nested = await one.plan();
    expect(nested.output).toContain('must be replaced');
    expect(nested.output).toMatch(/hinge += "left" -> "right" # forces replacement/);
    await one.apply();
    expect(one.attributes('a')).toMatchObject({ revision: 1, door: { hinge: 'right' } });
    one.configure(thing('door = { color = "red", hinge = "right" }').replace('name = "a"', 'name = "b"'));
    expect((await one.plan()).output).toMatch(/name += "a" -> "b" # forces replacement/);
    await one.apply();
    expect([one.hasThing('a'), one.hasThing('b')]).toEqual([false, true]);
  });

  test('a resource without update, read or plan lives too', async () => {
    const one = await workspace('resource "shelf_box" "b" {\n  label = "x"\n  volume = 1\n}');
    await one.apply();
    one.configure('resource "shelf_box" "b" {\n  label = "x"\n  volume = 2\n}');
    const run = await one.terraform(['apply', '-no-color', '-auto-approve']);
    expect(run.code).toBe(1);
    expect(run.output).toContain('shelf_box cannot be changed in place');
  });

  test('a provider whose configuration is unknown while planning', async () => {
    const one = await workspace('');
    one.write(
      'main.tf',
      `${one.read('main.tf').replace(/root = .*/, 'root = terraform_data.root.output')}
resource "terraform_data" "root" {\n  input = ${JSON.stringify(path.join(one.folder, 'shelf'))}\n}\n${thing('')}`,
    );
    expect((await one.plan()).code).toBe(2);
  });
});
