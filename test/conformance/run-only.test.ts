/** What is stored in no state: data sources, functions, ephemeral resources, module metadata, `terraform test`. */
import { describe, expect, test } from 'vitest';
import { workspace } from './workspace.ts';

describe('data sources', () => {
  test('are read while planning, after what they depend on, and their errors point at them', async () => {
    const one = await workspace(`
resource "shelf_thing" "a" { name = "ab" }
data "shelf_inventory" "all" {
  prefix     = "a"
  depends_on = [shelf_thing.a]
}
output "names" { value = data.shelf_inventory.all.names }`);
    await one.apply();
    const output = await one.terraform(['output', '-json', 'names']);
    expect(JSON.parse(output.stdout)).toEqual(['ab']);
    expect((await one.plan()).code).toBe(0);
    one.configure('data "shelf_inventory" "no" { prefix = "forbidden" }');
    const plan = await one.plan();
    expect(plan.code).toBe(1);
    expect(plan.output).toMatch(/Hands off[^]*prefix = "forbidden"/);
  });
});

describe('functions', () => {
  test('are called with exact values, variadic too', async () => {
    const one = await workspace(`
output "label" { value = provider::shelf::label("Tea", "green", "black") }
output "bare" { value = provider::shelf::label("Tea") }
output "sum" { value = provider::shelf::sum([9007199254740993, 1, 100000000000000000000]) }`);
    await one.apply();
    const outputs = await one.terraform(['output', '-no-color']);
    expect(outputs.stdout).toContain('label = "Tea: green, black"');
    expect(outputs.stdout).toContain('bare = "Tea: "');
    expect(outputs.stdout).toContain('sum = 100009007199254740994');
  });

  test('blame the argument', async () => {
    const one = await workspace('output "label" { value = provider::shelf::label("", "green") }');
    const plan = await one.plan();
    expect(plan.code).toBe(1);
    expect(plan.output).toMatch(/Invalid value for "title" parameter: A label has a title\./);
  });
});

describe('ephemeral resources', () => {
  test('are opened, renewed and closed, and their value reaches write-only attributes only', async () => {
    const one = await workspace(`
ephemeral "shelf_key" "k" { lock = "front" }
resource "shelf_thing" "a" {
  name             = "a"
  password         = ephemeral.shelf_key.k.value
  behaviour        = "pause"
}`);
    await one.apply();
    expect(one.events()).toMatch(/opened front\nrenewed front\nclosed front\n$/);
    expect(one.thing('a')['passwordLength']).toBe('key-to-front'.length);
    expect(one.read('terraform.tfstate')).not.toContain('key-to-front');
  });
});

describe('provider_meta', () => {
  test('of a module comes with its resources', async () => {
    const one = await workspace('resource "shelf_thing" "a" { name = "a" }');
    one.write('meta.tf', 'terraform {\n  provider_meta "shelf" {\n    owner = "team-blue"\n  }\n}');
    await one.apply();
    expect(one.thing('a')['metaOwner']).toBe('team-blue');
  });
});

describe('terraform test', () => {
  test('runs a module against the provider and cleans up', async () => {
    const one = await workspace('resource "shelf_thing" "a" { name = "a" }');
    one.write(
      'shelf.tftest.hcl',
      `run "makes_it" {
  assert {
    condition     = shelf_thing.a.size == 3 && shelf_thing.a.revision == 1
    error_message = "not as planned"
  }
}
run "only_plans" {
  command = plan
  assert {
    condition     = shelf_thing.a.integrity.intact
    error_message = "not intact"
  }
}`,
    );
    const run = await one.terraform(['test', '-no-color']);
    expect(run.code, run.output).toBe(0);
    expect(run.output).toContain('2 passed, 0 failed');
    expect(one.hasThing('a')).toBe(false);
  });
});
