/**
 * Makes `constructs/generated` from the schema of the provider itself, with `cdktf get`. `--check` changes nothing and fails where the
 * committed files differ from what would be made.
 */
import { committedBindings, differingFiles, writeBindings } from './bindings/committed.ts';
import { generateBindings } from './bindings/generate.ts';
import { buildProvider } from './build-provider.ts';

const { release, cliConfigFile } = await buildProvider();
const made = await generateBindings(release, cliConfigFile);
const changed = differingFiles(made, committedBindings());
if (!process.argv.includes('--check')) {
  if (changed.length > 0) writeBindings(made);
  console.log(changed.length === 0 ? 'constructs/generated is up to date' : `written: ${changed.join(', ')}`);
} else if (changed.length > 0) {
  console.error(
    `constructs/generated does not fit the provider's schema: ${changed.join(', ')}\nRun \`npm run generate:bindings\` and commit the result.`,
  );
  process.exitCode = 1;
}
