/**
 * Makes the JSON Schema of definitions, for editors, from the specification. `--check` changes nothing and fails where the committed file is
 * another.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { jsonSchemaText } from '../provider/spec/yaml/json-schema.ts';

const name = 'provider/spec/generated/stockade.schema.json';
const file = fileURLToPath(new URL(`../${name}`, import.meta.url));
const made = jsonSchemaText();
const isCheck = process.argv.includes('--check');

if (committed() === made) {
  console.log(`${name} is up to date`);
} else if (isCheck) {
  console.error(
    `${name} does not fit the specification.\nRun \`npm run generate:schema\` and commit the result.`,
  );
  process.exitCode = 1;
} else {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, made);
  console.log(`written: ${name}`);
}

function committed(): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
