import { expect, test } from 'vitest';
import { workspace } from './workspace.ts';

const BIG = '123456789012345678901234567890';
const EXACT = '3.14159265358979323846264338327950288';

test('every kind of value goes in, comes back and stays the same', async () => {
  const one = await workspace(`
resource "shelf_thing" "a" {
  name     = "quotes \\" and \\\\ and $\${x} and \\u00e9\\u4e2d\\U0001F600"
  big      = ${BIG}
  exact    = ${EXACT}
  labels   = { b = "2", "a key with spaces" = "1", empty = "" }
  tags     = ["b", "a", "b"]
  sizes    = [9007199254740993, -1, 0.1, 1e3, -0.5, 18446744073709551616, 1e-7]
  anything = { typed_null = tostring(null), l = tolist(["x"]), n = null, t = [1, "two", true], deep = { s = toset([1]) } }
  point    = { x = 1.5, y = -2 }
  drawers  = []
  rooms    = {}
  stickers = [{ text = "x" }, { text = "y", shade = "blue" }]
}
output "thing" {
  value     = shelf_thing.a
  sensitive = true
}
output "big" { value = shelf_thing.a.big + 1 }
output "kind" { value = [for one in shelf_thing.a.anything.l : one] }
`);
  await one.apply();
  const again = await one.plan();
  expect(again.code, again.output).toBe(0);
  const state = one.read('terraform.tfstate');
  expect(state).toContain(`"big": ${BIG}`);
  expect(state).toContain(`"exact": ${EXACT}`);
  expect(state).toContain('9007199254740993');
  expect(state).toContain('18446744073709551616');
  expect(one.attributes('a')).toMatchObject({
    name: 'quotes " and \\ and ${x} and é中😀',
    labels: { b: '2', 'a key with spaces': '1', empty: '' },
    tags: ['a', 'b'],
    point: { x: 1.5, y: -2 },
    drawers: [],
    rooms: {},
  });
  const output = await one.terraform(['output', '-no-color', 'big']);
  expect(output.stdout.trim()).toBe('123456789012345678901234567891');
});

test('a set has no order: writing it otherwise is no change, another element is', async () => {
  const configured = (stickers: string, tags: string): string =>
    `resource "shelf_thing" "a" {\n  name = "a"\n  stickers = [${stickers}]\n  tags = [${tags}]\n}`;
  const one = await workspace(configured('{ text = "x" }, { text = "y", shade = "blue" }', '"q", "p"'));
  await one.apply();
  one.configure(configured('{ text = "y", shade = "blue" }, { text = "x", shade = "white" }', '"p", "q"'));
  expect((await one.plan()).code).toBe(0);
  one.configure(configured('{ text = "y", shade = "red" }, { text = "x" }', '"p", "q"'));
  const plan = await one.plan();
  expect(plan.code, plan.output).toBe(2);
  expect(plan.output).toMatch(/- shade += "blue"/);
  expect(plan.output).toMatch(/\+ shade += "red"/);
  expect(plan.output).not.toMatch(/[-+] text += "x"/);
  await one.apply();
  expect((await one.plan()).code).toBe(0);
});

test('unknown values of other resources are planned as such, at every depth', async () => {
  const one = await workspace(`
resource "terraform_data" "t" { input = 4 }
resource "shelf_thing" "a" {
  name     = "a"
  size     = terraform_data.t.output
  labels   = { k = terraform_data.t.id }
  drawers  = [{ label = terraform_data.t.id }, { label = "plain", depth = terraform_data.t.output }]
  rooms    = { hall = { width = terraform_data.t.output } }
  anything = terraform_data.t.output
  stickers = [{ text = terraform_data.t.id }]
}`);
  const plan = await one.plan();
  expect(plan.code, plan.output).toBe(2);
  expect(plan.output).toMatch(/size += \(known after apply\)/);
  await one.apply();
  expect(one.attributes('a')).toMatchObject({
    size: 4,
    rooms: { hall: { width: 4, area: 16 } },
    drawers: [
      { depth: 10, key: 'key-0' },
      { label: 'plain', depth: 4, key: 'key-1' },
    ],
  });
  expect((await one.plan()).code).toBe(0);
});

test('sensitive values are hidden, write-only ones are nowhere but at the provider', async () => {
  const configured = (password: string, version: number): string => `
resource "shelf_thing" "a" {
  name = "a"
  secret = "opensesame"
  password = "${password}"
  password_version = ${version}
}
output "secret" {
  value     = shelf_thing.a.secret
  sensitive = true
}`;
  const one = await workspace(configured('twelve chars', 1));
  const plan = await one.plan('-out=saved');
  expect(plan.output).toMatch(/secret += \(sensitive value\)/);
  expect(plan.output).toMatch(/password += \(write-only attribute\)/);
  expect(plan.output).not.toContain('opensesame');
  const applied = await one.apply();
  expect(applied.output).not.toContain('opensesame');
  expect(one.thing('a')).toMatchObject({ secret: 'opensesame', passwordLength: 12 });
  expect(one.attributes('a')).toMatchObject({ secret: 'opensesame', password: null });
  one.configure(configured('longer than before', 1));
  expect((await one.plan()).code).toBe(0);
  one.configure(configured('longer than before', 2));
  await one.apply();
  expect(one.thing('a')['passwordLength']).toBe(18);
  expect(one.read('terraform.tfstate')).not.toContain('longer than before');
});

test('megabytes go through', async () => {
  const one = await workspace(`
variable "long" {}
resource "shelf_thing" "a" {
  name   = "a"
  secret = var.long
}`);
  one.write('terraform.tfvars.json', JSON.stringify({ long: '0123456789'.repeat(600_000) }));
  await one.apply();
  expect(String(one.thing('a')['secret'])).toHaveLength(6_000_000);
  expect((await one.plan()).code).toBe(0);
});
