import { expect, it } from 'vitest';
import { committedBindings, differingFiles } from '../../scripts/bindings/committed.ts';
import { generateBindings } from '../../scripts/bindings/generate.ts';
import { builtProvider } from '../e2e/terraform.fixture.ts';

it('the committed bindings are what cdktf makes of the provider (else: npm run generate:bindings)', async () => {
  const { release, cliConfigFile } = await builtProvider();
  const made = await generateBindings(release, cliConfigFile);
  expect(made.size).toBeGreaterThan(5);
  expect(differingFiles(made, committedBindings())).toEqual([]);
});
