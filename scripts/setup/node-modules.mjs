import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Whether node_modules holds what package-lock.json asks for. npm itself keeps the record to compare with
 * (node_modules/.package-lock.json, written when an installation is complete).
 * @param {string} repository
 */
export function nodeModulesAreCurrent(repository) {
  const wanted = readPackages(join(repository, 'package-lock.json'));
  const installed = readPackages(join(repository, 'node_modules/.package-lock.json'));
  if (wanted === undefined || installed === undefined) return false;
  return Object.entries(wanted).every(([path, entry]) => {
    // Optional packages are for other platforms as often as not; the entry "" is this project.
    if (path === '' || entry.optional || entry.devOptional || entry.link) return true;
    return installed[path]?.version === entry.version;
  });
}

/** @param {string} repository */
export function installNodeModules(repository) {
  const result = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: repository,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (result.status !== 0) throw new Error('npm ci failed; see above, and run it again with `npm ci`');
}

/**
 * @param {string} file
 * @returns {Record<string, {version?: string, optional?: boolean, devOptional?: boolean, link?: boolean}> | undefined}
 */
function readPackages(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages;
  } catch {
    return undefined;
  }
}
