/**
 * Generates provider/tfplugin/generated/ from provider/tfplugin/proto/ (buf and ts-proto, both from node_modules; no network).
 * `--check` generates into a temporary folder instead, compares, and fails where the committed code is not the same.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const protoFolder = path.join(root, 'provider/tfplugin/proto');
const generatedFolder = path.join(root, 'provider/tfplugin/generated');

/** Lean on purpose: only encode and decode, as every start of the provider loads this. */
const options = [
  'env=node',
  'esModuleInterop=true',
  'importSuffix=.ts',
  'oneof=unions',
  'outputServices=generic-definitions',
  'outputJsonMethods=false',
  'outputPartialMethods=false',
  'outputTypeRegistry=false',
  'exportCommonSymbols=false',
  'unrecognizedEnum=false',
  'useMapType=false',
];

function generateInto(folder: string): void {
  const template = {
    version: 'v2',
    plugins: [{ local: path.join(root, 'node_modules/.bin/protoc-gen-ts_proto'), out: folder, opt: options }],
  };
  const buf = path.join(root, 'node_modules/.bin/buf');
  execFileSync(buf, ['generate', protoFolder, '--template', JSON.stringify(template)], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
}

function contents(folder: string): Map<string, string> {
  const names = readdirSync(folder).toSorted();
  return new Map(names.map((name) => [name, readFileSync(path.join(folder, name), 'utf8')]));
}

function check(): number {
  const folder = mkdtempSync(path.join(tmpdir(), 'generate-proto-'));
  try {
    generateInto(folder);
    const fresh = contents(folder);
    const committed = contents(generatedFolder);
    const names = new Set([...fresh.keys(), ...committed.keys()]);
    const stale = [...names].filter((name) => fresh.get(name) !== committed.get(name));
    for (const name of stale) {
      process.stderr.write(
        `provider/tfplugin/generated/${name} is not what proto/ gives: run npx tsx scripts/generate-proto.ts\n`,
      );
    }
    return stale.length === 0 ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (process.argv.includes('--check')) {
  process.exitCode = check();
} else {
  rmSync(generatedFolder, { recursive: true, force: true });
  generateInto(generatedFolder);
}
