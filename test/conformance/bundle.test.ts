import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { bundleProvider } from '../../provider/tfplugin/packaging/bundle.ts';
import { installInMirror } from '../../provider/tfplugin/packaging/mirror.ts';

const release = { namespace: 'example', type: 'lazy', version: '0.1.0' };

async function bundled(): Promise<{ root: string; bundleFile: string }> {
  const root = mkdtempSync(path.join(tmpdir(), 'bundle-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  const bundleFile = path.join(root, 'terraform-provider-lazy_v0.1.0');
  const entry = fileURLToPath(new URL('./bundle/entry.ts', import.meta.url));
  await bundleProvider({ entry, outFile: bundleFile });
  return { root, bundleFile };
}

test('one file, in which what is imported dynamically is evaluated when it is asked for', async () => {
  const { bundleFile } = await bundled();
  const report = JSON.parse(execFileSync(process.execPath, [bundleFile], { encoding: 'utf8' })) as object;
  expect(report).toEqual({
    before: false,
    after: true,
    sshConnect: 'function',
    size: statSync(bundleFile).size,
  });
});

test('an installed provider runs below a package.json that says "module", and replaces its forerunner whole', async () => {
  const { root, bundleFile } = await bundled();
  writeFileSync(path.join(root, 'package.json'), '{"type":"module"}');
  const mirrorFolder = path.join(root, 'mirror');
  const first = installInMirror({ ...release, mirrorFolder, bundleFile });
  mkdirSync(path.join(first.folder, 'stale'));
  writeFileSync(path.join(first.folder, 'stale/file'), '');
  const second = installInMirror({ ...release, mirrorFolder, bundleFile });
  expect(second).toEqual(first);
  expect(readdirSync(second.folder).toSorted()).toEqual(['package.json', 'terraform-provider-lazy_v0.1.0']);
  expect(readdirSync(path.dirname(second.folder))).toHaveLength(1);
  const binary = path.join(second.folder, 'terraform-provider-lazy_v0.1.0');
  expect(readFileSync(binary, 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/);
  expect(JSON.parse(execFileSync(binary, { encoding: 'utf8' }))).toMatchObject({ after: true });
});
