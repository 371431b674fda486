import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type ProviderRelease } from '../../provider/tfplugin/packaging/address.ts';
import { polish } from './polish.ts';

const cdktf = fileURLToPath(new URL('../../node_modules/cdktf-cli/bundle/bin/cdktf', import.meta.url));

/** Generated files by path: `guest/index.ts`. */
export type Bindings = ReadonlyMap<string, string>;

/** Runs `cdktf get` against the provider that a Terraform CLI configuration points to, and returns what it made, polished. */
export async function generateBindings(release: ProviderRelease, cliConfigFile: string): Promise<Bindings> {
  const work = mkdtempSync(path.join(tmpdir(), 'stockade-bindings-'));
  try {
    writeFileSync(path.join(work, 'cdktf.json'), projectFile(release));
    await promisify(execFile)(process.execPath, [cdktf, 'get', '--language', 'typescript'], {
      cwd: work,
      env: {
        ...process.env,
        TF_CLI_CONFIG_FILE: cliConfigFile,
        CHECKPOINT_DISABLE: '1',
        CDKTF_DISABLE_PLUGIN_CACHE_ENV: '1',
        CI: '1',
      },
    });
    return readBindings(path.join(work, '.gen/providers', release.type));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function projectFile({ namespace, type, version }: ProviderRelease): string {
  return JSON.stringify({
    language: 'typescript',
    app: 'true',
    projectId: 'bindings',
    sendCrashReports: 'false',
    terraformProviders: [{ name: type, source: `${namespace}/${type}`, version }],
  });
}

/** Without the README of each resource, and without the lazy index, which is for CommonJS. */
function readBindings(folder: string): Bindings {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => path.basename(name) === 'index.ts')
    .toSorted();
  return new Map(files.map((name) => [name, polish(readFileSync(path.join(folder, name), 'utf8'))]));
}
