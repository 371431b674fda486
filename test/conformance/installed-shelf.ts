import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';
import { binaryName } from '../../provider/tfplugin/packaging/address.ts';
import { bundleProvider } from '../../provider/tfplugin/packaging/bundle.ts';
import { type InstalledProvider, installInMirror } from '../../provider/tfplugin/packaging/mirror.ts';

export const SHELF = { namespace: 'example', type: 'shelf', version: '1.2.3' };

export interface InstalledShelf extends InstalledProvider {
  readonly mirror: string;
  readonly binary: string;
}

let installing: Promise<InstalledShelf> | undefined;
let root: string | undefined;

afterAll(() => {
  if (root !== undefined) rmSync(root, { recursive: true, force: true });
});

/** The conformance provider, bundled and in a mirror; once per test file. */
export function installedShelf(): Promise<InstalledShelf> {
  installing ??= install();
  return installing;
}

async function install(): Promise<InstalledShelf> {
  root = mkdtempSync(path.join(tmpdir(), 'conformance-mirror-'));
  const bundleFile = path.join(root, binaryName(SHELF));
  const entry = fileURLToPath(new URL('./provider/main.ts', import.meta.url));
  await bundleProvider({ entry, outFile: bundleFile });
  const mirror = path.join(root, 'mirror');
  const installed = installInMirror({ ...SHELF, mirrorFolder: mirror, bundleFile });
  return { ...installed, mirror, binary: path.join(installed.folder, binaryName(SHELF)) };
}
