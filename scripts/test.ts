import { spawn } from 'node:child_process';
import { buildGuestImage } from '../test/lab/guest/image.ts';
import { buildShareGuest } from '../test/lab/guest/share-image.ts';
import { suites } from '../test/lab/recipe.ts';
import { hostRoot } from '../test/lab/root.ts';
import { vmImage } from '../test/lab/vm/image.ts';
import { plainMachine } from '../test/lab/vm/plain.ts';
import { xenMachine } from '../test/lab/vm/xen.ts';

/** One of the checks that `npm test` consists of. */
interface Check {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
}

/** They only read, so they run side by side, and what fails shows soonest. */
const quick: readonly Check[] = [
  { name: 'format', command: ['npm', 'run', '--silent', 'check:format'] },
  { name: 'imports', command: ['npm', 'run', '--silent', 'check:imports'] },
  { name: 'types', command: ['npm', 'run', '--silent', 'check:types'] },
  { name: 'lint', command: ['npm', 'run', '--silent', 'check:lint'] },
  { name: 'generated code', command: ['npm', 'run', '--silent', 'check:generated'] },
];

/** Fast tests first: what they find, real hosts would only find later. */
const thorough: readonly Check[] = [
  { name: 'unit, golden and property tests', command: ['npm', 'run', '--silent', 'test:fast'] },
  {
    name: 'tests on real hosts and with the real terraform',
    command: ['npm', 'run', '--silent', 'test:e2e'],
  },
];

/** Runs the check; what it prints shows at once, or when `quietly` only if it fails. */
function passes({ name, command: [program, ...args] }: Check, quietly: boolean): Promise<boolean> {
  const start = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ['ignore', quietly ? 'pipe' : 'inherit', quietly ? 'pipe' : 'inherit'],
    });
    const output: Buffer[] = [];
    child.stdout?.on('data', (piece: Buffer) => output.push(piece));
    child.stderr?.on('data', (piece: Buffer) => output.push(piece));
    child.once('error', reject);
    child.once('close', (code) => {
      const seconds = ((performance.now() - start) / 1000).toFixed(1);
      if (code !== 0) process.stdout.write(Buffer.concat(output));
      console.log(`${code === 0 ? 'passed' : 'FAILED'}  ${name} (${seconds} s)`);
      resolve(code === 0);
    });
  });
}

/** Everything the tests on real hosts take from the cache, so that no test's time holds its making. */
async function prepareLab(): Promise<void> {
  const progress = (line: string) => console.log(line);
  const roots = suites.map((suite) => hostRoot(progress, suite));
  await Promise.all([...roots, buildGuestImage(progress), buildShareGuest(progress)]);
  await Promise.all([plainMachine, xenMachine].map((kind) => vmImage(kind, progress)));
}

const [checked] = await Promise.all([Promise.all(quick.map((check) => passes(check, true))), prepareLab()]);
const results = [...checked];
for (const check of thorough) results.push(await passes(check, false));
const good = results.filter(Boolean).length;
console.log(`checks: ${good} passed, ${results.length - good} failed`);
process.exitCode = good === results.length ? 0 : 1;
