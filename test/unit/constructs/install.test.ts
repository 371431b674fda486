import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { NullProvider } from '@cdktf/provider-null/lib/provider/index.js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { installInStack } from '../../../constructs/install/at-synth.ts';
import type { BuiltProvider } from '../../../constructs/install/built-provider.ts';
import { hidesImpliedMirrors } from '../../../constructs/install/cli-config.ts';
import { parseLockFile } from '../../../constructs/install/lock-entries.ts';
import { otherProviders } from '../../../constructs/install/other-providers.ts';
import { binaryName, platformName, sourceAddress } from '../../../provider/tfplugin/packaging/address.ts';
import { hashFolder } from '../../../provider/tfplugin/packaging/h1.ts';
import { renderLockFile } from '../../../provider/tfplugin/packaging/lock-file.ts';
import { stackWithHost } from './synth.fixture.ts';

const release = { namespace: 'stockade', type: 'stockade', version: '1.2.3' };
const other = { namespace: 'hashicorp', type: 'null', version: '3.2.4', constraints: '~> 3.0' };
let folder: string;
let built: BuiltProvider;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'stockade-install-'));
  built = build('one');
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function build(content: string): BuiltProvider {
  const bundleFile = path.join(folder, 'built', binaryName(release));
  mkdirSync(path.dirname(bundleFile), { recursive: true });
  writeFileSync(bundleFile, content);
  writeFileSync(path.join(folder, 'built/package.json'), '{"type":"commonjs"}\n');
  return { release, bundleFile };
}

const stack = () => path.join(folder, 'cdktf.out/stacks/prod');
const installedFolder = () =>
  path.join(stack(), 'terraform.d/plugins', sourceAddress(release), '1.2.3', platformName());
const locked = () => parseLockFile(readFileSync(path.join(stack(), '.terraform.lock.hcl'), 'utf8'));

describe('the provider in the folder of a stack', () => {
  it('stands where Terraform looks by itself, guarded against "type": "module" above it, and is locked', () => {
    installInStack(stack(), built);
    expect(readFileSync(path.join(installedFolder(), binaryName(release)), 'utf8')).toBe('one');
    expect(readFileSync(path.join(installedFolder(), 'package.json'), 'utf8')).toBe('{"type":"commonjs"}\n');
    expect(locked()).toMatchObject([
      { ...release, constraints: '1.2.3', hashes: [hashFolder(installedFolder())] },
    ]);
  });

  it('is left alone by the next synth where it is the same', () => {
    installInStack(stack(), built);
    const before = statSync(installedFolder()).ino;
    installInStack(stack(), built);
    expect(statSync(installedFolder()).ino).toBe(before);
  });

  it.each(['what was installed was changed', 'the provider was built anew'])(
    'is replaced where %s',
    (why) => {
      installInStack(stack(), built);
      if (why.startsWith('what')) writeFileSync(path.join(installedFolder(), binaryName(release)), 'two');
      else build('two');
      installInStack(stack(), built);
      expect(hashFolder(installedFolder())).toBe(hashFolder(path.dirname(built.bundleFile)));
      expect(locked()[0]?.hashes).toEqual([hashFolder(installedFolder())]);
    },
  );
});

describe('other providers of a stack', () => {
  it('are locked to the version their bindings were made from', () => {
    const { stack: cdktfStack } = stackWithHost();
    new NullProvider(cdktfStack, 'null');
    new NullProvider(cdktfStack, 'again', { alias: 'again' });
    expect(otherProviders(cdktfStack)).toEqual([{ ...other, hashes: [] }]);
  });

  it('have no hash until terraform init adds one, which then stays', () => {
    installInStack(stack(), built, [{ ...other, hashes: [] }]);
    const file = path.join(stack(), '.terraform.lock.hcl');
    expect(readFileSync(file, 'utf8')).toMatch(/hashicorp\/null" \{\n {2}version {5}= "3\.2\.4"\n.*\n\}/);
    const chosen = { ...other, version: '3.9.0', hashes: ['h1:abc=', 'zh:def'] };
    writeFileSync(file, renderLockFile([chosen, { ...release, hashes: ['h1:old='] }]));
    installInStack(stack(), built, [{ ...other, hashes: [] }]);
    expect(locked()).toMatchObject([chosen, { ...release, hashes: [hashFolder(installedFolder())] }]);
  });

  it('are chosen anew where other versions are asked for, and go with the last use', () => {
    installInStack(stack(), built, [{ ...other, hashes: ['h1:abc='] }]);
    installInStack(stack(), built, [{ ...other, version: '4.0.0', constraints: '~> 4.0', hashes: [] }]);
    expect(locked().map(({ version }) => version)).toEqual(['4.0.0', '1.2.3']);
    installInStack(stack(), built);
    expect(locked().map(({ type }) => type)).toEqual(['stockade']);
  });
});

it("settings with a provider_installation block hide the stack's folder", () => {
  const file = path.join(folder, 'terraform.rc');
  expect(hidesImpliedMirrors(file)).toBe(false);
  writeFileSync(file, '# provider_installation\nplugin_cache_dir = "/tmp/x"\n');
  expect(hidesImpliedMirrors(file)).toBe(false);
  writeFileSync(file, 'disable_checkpoint = true\n  provider_installation {\n  direct {}\n}\n');
  expect(hidesImpliedMirrors(file)).toBe(true);
});
