import { chmodSync } from 'node:fs';
import { build as bundle, type Plugin } from 'esbuild';

export interface BundleOptions {
  /** The module that calls `serve`. No top-level await: the bundle is CommonJS. */
  readonly entry: string;
  /** `…/terraform-provider-NAME_vX.Y.Z`. */
  readonly outFile: string;
}

/**
 * Makes one executable file of a provider and all it imports. What is imported dynamically is in the file too, but
 * evaluated only when first asked for. Not minified: Node prints the source line of a crash, and that would be megabytes.
 */
export async function bundleProvider({ entry, outFile }: BundleOptions): Promise<void> {
  await bundle({
    entryPoints: [entry],
    outfile: outFile,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    legalComments: 'eof',
    logLevel: 'warning',
    banner: {
      js: '#!/usr/bin/env node\nconst bundleUrl = require("node:url").pathToFileURL(__filename).href;',
    },
    define: { 'import.meta.url': 'bundleUrl' },
    plugins: [optionalNatives],
  });
  chmodSync(outFile, 0o755);
}

/** Native add-ons that packages try to load and do well without: left out, so that the attempt fails as they expect. */
const optionalNatives: Plugin = {
  name: 'optional-natives',
  setup: (build) => {
    build.onResolve({ filter: /\.node$|^cpu-features$/ }, ({ path }) => ({ path, external: true }));
  },
};
