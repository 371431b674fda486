import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** What breaks each rule: a file, and what it imports. */
const planted: Readonly<Record<string, readonly [file: string, imported: string]>> = {
  'layer-model': ['provider/model/bad.ts', '../spec/good.ts'],
  'layer-spec': ['provider/spec/bad.ts', '../jail/good.ts'],
  'layer-definitions': ['provider/definitions/bad.ts', '../jail/good.ts'],
  'layer-jail': ['provider/jail/bad.ts', '../toolstacks/good.ts'],
  'layer-shares': ['provider/shares/bad.ts', '../resources/good.ts'],
  'layer-toolstacks': ['provider/toolstacks/bad.ts', '../resources/good.ts'],
  'layer-resources': ['provider/resources/bad.ts', '../engine/good.ts'],
  'layer-engine': ['provider/engine/bad.ts', '../executor/good.ts'],
  'layer-executor': ['provider/executor/bad.ts', '../terraform/good.ts'],
  'layer-connect': ['provider/connect/bad.ts', '../jail/good.ts'],
  'layer-tfplugin': ['provider/tfplugin/bad.ts', '../model/good.ts'],
  'roots-apart': ['provider/terraform/bad.ts', '../cli/good.ts'],
  'roots-apart-back': ['provider/cli/bad.ts', '../terraform/good.ts'],
  'constructs-see-the-spec': ['constructs/bad.ts', '../provider/engine/good.ts'],
  'no-product-imports-test': ['examples/bad.ts', '../test/good.ts'],
  'only-ssh2': ['provider/executor/bad-ssh2.ts', 'ssh2'],
  'only-grpc': ['provider/terraform/bad-grpc.ts', '@grpc/grpc-js'],
  'only-cdktf': ['provider/spec/bad-cdktf.ts', 'cdktf'],
  'not-unresolvable': ['provider/model/bad-nowhere.ts', './nowhere.ts'],
};
const good = [
  'spec',
  'jail',
  'toolstacks',
  'resources',
  'engine',
  'executor',
  'terraform',
  'cli',
  'model',
].map((layer) => `provider/${layer}/good.ts`);

interface Report {
  readonly summary: {
    readonly violations: readonly { readonly from: string; readonly rule: { readonly name: string } }[];
  };
}

describe('the import rules', () => {
  const tree = mkdtempSync(join(tmpdir(), 'stockade-import-rules-'));
  const put = (path: string, content: string): void => {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), content);
  };
  let found: readonly (readonly [rule: string, file: string])[] = [];

  beforeAll(() => {
    copyFileSync('.dependency-cruiser.cjs', join(tree, 'rules.cjs'));
    copyFileSync('tsconfig.json', join(tree, 'tsconfig.json'));
    symlinkSync(resolve('node_modules'), join(tree, 'node_modules'));
    for (const file of [...good, 'test/good.ts']) put(file, 'export const good = 1;\n');
    for (const [file, imported] of Object.values(planted))
      put(file, `import * as it from '${imported}';\nexport { it };\n`);
    put('provider/model/one.ts', "import { other } from './other.ts';\nexport const one = () => other;\n");
    put('provider/model/other.ts', "import { one } from './one.ts';\nexport const other = () => one;\n");
    const folders = ['provider', 'constructs', 'examples'];
    const arguments_ = ['--config', 'rules.cjs', '--output-type', 'json', ...folders];
    const run = spawnSync(resolve('node_modules/.bin/depcruise'), arguments_, {
      cwd: tree,
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
    });
    const report = JSON.parse(run.stdout) as Report;
    found = report.summary.violations.map(({ from, rule }) => [rule.name, from] as const);
  });
  afterAll(() => rmSync(tree, { recursive: true, force: true }));

  it.each(Object.entries(planted))('%s sees what breaks it', (rule, [file]) => {
    expect(found).toContainEqual([rule, file]);
  });

  it('sees a circle', () => {
    expect(found).toContainEqual(['no-circular', 'provider/model/one.ts']);
  });

  it('leaves what keeps them alone, and has no rule without a case here', () => {
    expect(found.filter(([, file]) => file.endsWith('good.ts'))).toEqual([]);
    const rules = [...readFileSync('.dependency-cruiser.cjs', 'utf8').matchAll(/name: '([a-z-]+)'/g)].map(
      (match) => match[1],
    );
    const layers =
      /const below = \{([^}]+)\}/.exec(readFileSync('.dependency-cruiser.cjs', 'utf8'))?.[1] ?? '';
    const named = [...layers.matchAll(/^ {2}([a-z]+):/gm)].map((match) => `layer-${match[1] ?? ''}`);
    const cases = [...Object.keys(planted), 'no-circular'];
    expect([...rules, ...named].filter((rule) => rule !== undefined && !cases.includes(rule))).toEqual([]);
  });
});
