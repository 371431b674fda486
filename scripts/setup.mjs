// Makes this machine ready for `npm run demo`, `npm test` and `npm run lab`. Plain JavaScript without dependencies: it runs
// on a fresh clone, before `npm ci`.
//
//   node scripts/setup.mjs [--quiet] [-- COMMAND ARGUMENTS...]
//
// --quiet says nothing unless there is something to do. A command after -- is run when everything is in place.
import { spawnSync } from 'node:child_process';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installPackages, missingPackages } from './setup/debian-packages.mjs';
import { installNodeModules, nodeModulesAreCurrent } from './setup/node-modules.mjs';
import { obstacles } from './setup/preflight.mjs';

const repository = dirname(dirname(fileURLToPath(import.meta.url)));
const separator = process.argv.indexOf('--');
const options = process.argv.slice(2, separator < 0 ? undefined : separator);
const command = separator < 0 ? [] : process.argv.slice(separator + 1);
const unknown = options.find((option) => option !== '--quiet');

if (unknown !== undefined) end(`unknown option ${unknown}; known: --quiet`, 2);
const found = obstacles(repository);
for (const line of found) console.error(`setup: ${line}`);
if (found.length > 0) process.exit(1);

const packages = missingPackages();
if (packages.length > 0) {
  say(`installing ${packages.join(', ')}`);
  attempt(() => installPackages(packages));
}
if (!nodeModulesAreCurrent(repository)) {
  say('installing npm packages');
  attempt(() => installNodeModules(repository));
} else if (packages.length === 0 && !options.includes('--quiet')) {
  say('this machine is ready');
}
if (command[0] !== undefined) {
  const result = spawnSync(command[0], command.slice(1), { stdio: 'inherit', cwd: repository });
  if (result.error) end(`cannot run ${command[0]}: ${result.error.message}`, 127);
  process.exit(result.status ?? 1);
}

/** @param {string} line */
function say(line) {
  console.error(`setup: ${line}`);
}

/** @param {() => void} step */
function attempt(step) {
  try {
    step();
  } catch (error) {
    end(error instanceof Error ? error.message : String(error), 1);
  }
}

/** @param {string} line @param {number} status */
function end(line, status) {
  say(line);
  process.exit(status);
}
