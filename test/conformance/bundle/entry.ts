/** Says what was evaluated when, and that what comes lazily works: ssh2 with its optional native add-ons missing. */
import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

declare global {
  var lazyModuleEvaluated: boolean | undefined;
}

async function main(): Promise<void> {
  const before = globalThis.lazyModuleEvaluated === true;
  const { sshConnect } = await import('./lazy.ts');
  const file = fileURLToPath(import.meta.url);
  const report = { before, after: globalThis.lazyModuleEvaluated, sshConnect, size: statSync(file).size };
  process.stdout.write(JSON.stringify(report));
}

void main();
