import { describe, expect, test } from 'vitest';
import { type Workspace, workspace } from './workspace.ts';

const thing = (name: string, attributes = ''): string =>
  `resource "shelf_thing" "${name}" {\n  name = "${name}"\n${attributes}\n}`;

/** Makes a thing, then forgets the state. */
async function orphan(one: Workspace, name: string): Promise<void> {
  one.configure(thing(name));
  await one.apply();
  await one.terraform(['state', 'rm', `shelf_thing.${name}`]);
}

describe('import', () => {
  test('by command; the next plan is empty', async () => {
    const one = await workspace('');
    await orphan(one, 'a');
    const run = await one.terraform(['import', '-no-color', 'shelf_thing.a', 'a']);
    expect(run.code, run.output).toBe(0);
    expect(one.attributes('a')).toMatchObject({ id: 'a', name: 'a', size: 3, revision: 1 });
    expect((await one.plan()).code).toBe(0);
    await one.destroy();
    expect(one.events()).toContain('"mark":"imported-a"');
  });

  test('by block, with a generated configuration', async () => {
    const one = await workspace('');
    await orphan(one, 'a');
    one.configure('import {\n  to = shelf_thing.a\n  id = "a"\n}');
    const plan = await one.plan('-generate-config-out=generated.tf');
    expect(plan.output).toContain('1 to import, 0 to add, 0 to change, 0 to destroy');
    expect(one.read('generated.tf')).toMatch(/name += "a"/);
    await one.apply();
    one.configure('');
    expect((await one.plan()).code).toBe(0);
  });

  test('of what is not there, and of what cannot be imported', async () => {
    const one = await workspace(`${thing('a')}\nresource "shelf_box" "b" {\n  label = "b"\n}`);
    const missing = await one.terraform(['import', '-no-color', 'shelf_thing.a', 'nothing']);
    expect(missing.code).toBe(1);
    expect(missing.output).toContain('There is no thing "nothing"');
    const box = await one.terraform(['import', '-no-color', 'shelf_box.b', 'b']);
    expect(box.code).toBe(1);
    expect(box.output).toContain('shelf_box cannot be imported');
  });
});

describe('state upgrade', () => {
  const state = (version: number, attributes: object): string =>
    JSON.stringify({
      version: 4,
      terraform_version: '1.11.4',
      serial: 1,
      lineage: '3f2c1a8e-0000-4000-8000-000000000000',
      outputs: {},
      resources: [
        {
          mode: 'managed',
          type: 'shelf_thing',
          name: 'a',
          provider: 'provider["registry.terraform.io/example/shelf"]',
          instances: [{ schema_version: version, attributes }],
        },
      ],
    });

  test('goes through every older version', async () => {
    for (const [version, old] of [
      [0, { label: 'a', size: '7' }],
      [1, { name: 'a', size: '7' }],
    ] as const) {
      const one = await workspace(thing('a', 'size = 7'));
      await one.apply();
      one.write('terraform.tfstate', state(version, old));
      const plan = await one.plan();
      expect(plan.code, plan.output).toBe(0);
      await one.apply('-refresh-only');
      expect(one.attributes('a')).toMatchObject({ name: 'a', size: 7 });
      expect(one.resources()[0]?.instances[0]?.schema_version).toBe(2);
    }
  });

  test('of a newer version is refused', async () => {
    const one = await workspace(thing('a'));
    one.write('terraform.tfstate', state(3, { name: 'a' }));
    const plan = await one.plan();
    expect(plan.code).toBe(1);
    expect(plan.output).toMatch(/newer provider/);
  });
});

describe('moved', () => {
  test('within a type', async () => {
    const one = await workspace(thing('a'));
    await one.apply();
    one.configure(
      `resource "shelf_thing" "b" {\n  name = "a"\n}\nmoved {\n  from = shelf_thing.a\n  to = shelf_thing.b\n}`,
    );
    const plan = await one.plan();
    expect(plan.output).toContain('shelf_thing.a has moved to shelf_thing.b');
    expect(plan.output).toContain('0 to add, 0 to change, 0 to destroy');
    await one.apply();
    expect(one.attributes('b')['id']).toBe('a');
  });

  test('from another type, with private state', async () => {
    const one = await workspace(`resource "shelf_box" "b" {\n  label = "a"\n  volume = 5\n}\n${thing('a')}`);
    await one.apply();
    await one.terraform(['state', 'rm', 'shelf_thing.a']);
    one.configure(`${thing('a', 'size = 5')}\nmoved {\n  from = shelf_box.b\n  to = shelf_thing.a\n}`);
    one.tamper('a', { size: '5' });
    const plan = await one.plan();
    expect(plan.output).toContain('shelf_box.b has moved to shelf_thing.a');
    expect(plan.output).toContain('0 to add, 0 to change, 0 to destroy');
    await one.apply();
    await one.destroy();
    expect(one.events()).toContain('"mark":"moved-a"');
  });

  test('from a type nobody can move is an error', async () => {
    const one = await workspace('resource "terraform_data" "t" {}');
    await one.apply();
    one.configure(`${thing('a')}\nmoved {\n  from = terraform_data.t\n  to = shelf_thing.a\n}`);
    const plan = await one.plan();
    expect(plan.code).toBe(1);
    expect(plan.output).toContain(
      'Cannot move terraform_data of terraform.io/builtin/terraform to shelf_thing',
    );
  });
});
