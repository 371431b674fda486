// As a namespace: an old Node lacks some of these names, and shall still get as far as being told so.
import * as fs from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';

const gibibyte = 1024 ** 3;
const neededNode = 20;

/** @typedef {import('./preflight.mjs').Machine} Machine */

/** @returns {Machine} */
export function thisMachine() {
  return {
    platform: process.platform,
    architecture: process.arch,
    nodeMajor: Number(process.versions.node.split('.')[0]),
    uid: process.getuid?.() ?? -1,
    osRelease: readOr('/etc/os-release', ''),
    hasProgram,
    freeBytes,
    exists: fs.existsSync,
  };
}

/** The same rule as labCache() in test/lab/paths.ts. */
export function cacheDirectory(environment = process.env) {
  if (environment.STOCKADE_CACHE) return environment.STOCKADE_CACHE;
  return join(environment.XDG_CACHE_HOME || join(homedir(), '.cache'), 'stockade', 'lab');
}

/**
 * Why this machine cannot run the demo or the tests, a line each with the remedy. Looks only; changes nothing.
 * @param {string} repository
 * @param {Machine} machine
 * @returns {string[]}
 */
export function obstacles(repository, machine = thisMachine()) {
  if (machine.platform !== 'linux') {
    return [`this needs Linux, not ${machine.platform}; use a Debian 12 machine or virtual machine`];
  }
  if (machine.nodeMajor < neededNode) {
    return [`this needs Node ${neededNode} or newer, not ${machine.nodeMajor}; install it from nodejs.org`];
  }
  const found = [];
  if (machine.architecture !== 'x64') {
    found.push(`this needs an x86-64 processor, not ${machine.architecture}; use an amd64 Debian 12 machine`);
  }
  if (!/^(ID|ID_LIKE)="?([a-z]+ )*debian/m.test(machine.osRelease) || !machine.hasProgram('apt-get')) {
    found.push("this needs Debian with apt-get to install the test hosts' tools; use a Debian 12 machine");
  }
  if (machine.uid !== 0) {
    found.push(
      'test hosts need root (namespaces, mounts, packages); run the same command as root, e.g. with `sudo -E`',
    );
  }
  if (!machine.hasProgram('terraform')) {
    found.push('terraform is not on PATH; install it as developer.hashicorp.com/terraform/install says');
  }
  return [...found, ...spaceObstacles(repository, machine)];
}

/**
 * A new cache takes 3.3 GiB at its largest while being built (two machines' images 0.9 each), npm packages 0.6 GiB; the rest is for what running hosts write.
 * @param {string} repository
 * @param {Machine} machine
 */
function spaceObstacles(repository, machine) {
  const cache = cacheDirectory();
  return [
    {
      directory: cache,
      needed: machine.exists(cache) ? 1 : 6,
      remedy: 'free some, or set STOCKADE_CACHE to a roomier place',
    },
    {
      directory: repository,
      needed: machine.exists(join(repository, 'node_modules')) ? 0.25 : 1,
      remedy: 'free some',
    },
  ].flatMap(({ directory, needed, remedy }) => {
    const free = machine.freeBytes(directory) / gibibyte;
    if (free >= needed) return [];
    return [
      `${directory} has ${free.toFixed(1)} GiB of free disk space, ${needed} GiB are needed; ${remedy}`,
    ];
  });
}

/** @param {string} program */
function hasProgram(program) {
  return (process.env.PATH ?? '').split(delimiter).some((directory) => {
    try {
      fs.accessSync(join(directory || '.', program), fs.constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** @param {string} directory */
function freeBytes(directory) {
  let existing = directory;
  while (!fs.existsSync(existing)) existing = dirname(existing);
  const { bavail, bsize } = fs.statfsSync(existing);
  return bavail * bsize;
}

/** @param {string} file @param {string} fallback */
function readOr(file, fallback) {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return fallback;
  }
}
