import { describe, expect, test } from 'vitest';
import { renderLockFile } from '../../provider/tfplugin/packaging/lock-file.ts';
import { installedShelf, SHELF } from './installed-shelf.ts';
import { uninitialised, workspace } from './workspace.ts';

const thing = (attributes: string): string => `resource "shelf_thing" "a" {\n  name = "a"\n${attributes}\n}`;

describe('init', () => {
  test('takes the provider from the mirror, and writes the lock file we would have written', async () => {
    const one = await uninitialised(thing(''));
    const init = await one.terraform(['init', '-no-color']);
    expect(init.code, init.output).toBe(0);
    const { h1 } = await installedShelf();
    expect(one.read('.terraform.lock.hcl')).toBe(renderLockFile([{ ...SHELF, hashes: [h1] }]));
    expect((await one.plan()).code).toBe(2);
  });

  test('a schema reaches `providers schema` whole', async () => {
    const one = await workspace('');
    const run = await one.terraform(['providers', 'schema', '-json']);
    const schemas = JSON.parse(run.stdout) as {
      provider_schemas: Record<
        string,
        { resource_schemas: Record<string, { block: { attributes: object } }> }
      >;
    };
    const shelf = schemas.provider_schemas['registry.terraform.io/example/shelf'];
    expect(shelf?.resource_schemas['shelf_thing']?.block.attributes).toMatchObject({
      name: { type: 'string', required: true },
      secret: { sensitive: true },
      password: { write_only: true },
      colour: { deprecated: true },
      door: { nested_type: { nesting_mode: 'single', attributes: { color: { required: true } } } },
      stickers: { nested_type: { nesting_mode: 'set' } },
      integrity: { computed: true, description: 'What the thing is like; drift shows here.' },
    });
  });
});

describe('validate', () => {
  test('refuses what attributes, nested attributes and resources object to, all in one run', async () => {
    const one = await workspace(`
resource "shelf_thing" "attribute" { name = "bad name" }
resource "shelf_thing" "nested" {
  name  = "a"
  rooms = { hall = { width = -1 } }
}
resource "shelf_thing" "resource" {
  name   = "a"
  secret = "1234"
}
resource "shelf_thing" "missing" { name = null }
resource "shelf_thing" "nested_missing" {
  name    = "a"
  drawers = [{ label = "x" }, { label = null }]
}
resource "shelf_thing" "read_only" {
  name     = "a"
  revision = 7
}
ephemeral "shelf_key" "k" { lock = "none" }
`);
    const run = await one.terraform(['validate', '-json']);
    expect(run.code).toBe(1);
    expect(errorsOf(run.stdout)).toEqual([
      'ephemeral.shelf_key.k: No such lock @ ephemeral "shelf_key" "k" { lock = "none" }',
      'shelf_thing.attribute: Invalid value A name has no spaces. @ resource "shelf_thing" "attribute" { name = "bad name" }',
      'shelf_thing.missing: Missing value This attribute is required; null is not a value for it. @ resource "shelf_thing" "missing" { name = null }',
      'shelf_thing.nested: Invalid value At rooms.hall.width. A width is not negative. @ rooms = { hall = { width = -1 } }',
      'shelf_thing.nested_missing: Missing value At drawers[1].label. This attribute is required; null is not a value for it. @ drawers = [{ label = "x" }, { label = null }]',
      'shelf_thing.read_only: Value for a read-only attribute The provider decides it; take it out. @ revision = 7',
      'shelf_thing.resource: A poor secret Anyone guesses it. @ secret = "1234"',
    ]);
  });

  test("refuses the provider's own configuration", async () => {
    const one = await workspace('resource "shelf_thing" "a" { name = "a" }');
    one.write('main.tf', one.read('main.tf').replace('root =', 'token = "stolen"\n  root ='));
    const run = await one.terraform(['validate', '-json']);
    expect(run.code).toBe(1);
    expect(errorsOf(run.stdout)).toEqual([
      'provider["registry.terraform.io/example/shelf"]: Bad token It was stolen. @ token = "stolen"',
    ]);
  });

  test('warns of a deprecated attribute, and passes', async () => {
    const one = await workspace('resource "shelf_thing" "a" {\n  name = "a"\n  colour = "red"\n}');
    const run = await one.terraform(['validate', '-no-color']);
    expect(run.code, run.output).toBe(0);
    expect(run.output).toContain('Paint the door instead.');
  });

  test('lets unknown values pass', async () => {
    const one = await workspace(`
resource "terraform_data" "t" { input = "bad name" }
resource "shelf_thing" "a" {
  name  = terraform_data.t.output
  rooms = { (terraform_data.t.id) = { width = 1 } }
}`);
    const run = await one.terraform(['validate', '-no-color']);
    expect(run.code, run.output).toBe(0);
  });
});

interface ValidateOutput {
  readonly diagnostics: readonly {
    readonly address?: string;
    readonly summary: string;
    readonly detail: string;
    readonly snippet?: { readonly code: string };
  }[];
}

/** One line each: where, what, and the line of the configuration it points at. */
function errorsOf(json: string): string[] {
  const { diagnostics } = JSON.parse(json) as ValidateOutput;
  return diagnostics
    .map(({ address, summary, detail, snippet }) =>
      `${address ?? ''}: ${summary} ${detail} @ ${snippet?.code.trim() ?? ''}`.replace(/ +/g, ' '),
    )
    .toSorted();
}
