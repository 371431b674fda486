import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { sh, words } from '../../provider/model/shell.ts';
import { swapProgram } from '../lab/guest/share-image.ts';
import { escapeSteps } from '../lab/guest/share-steps.ts';
import type { LabHost } from '../lab/lab.ts';

/** A file of the host outside every export, and what it holds. */
export const canary = { path: '/srv/outside/canary', secret: 'nobody-inside-reads-this' };

/** What a hostile guest does on each share while somebody on the host swaps a directory of it. */
export const everyWay = [...escapeSteps.slice(0, -1), 'escape-race-host', 'unmount'];

/** Of these the races for a name that is a link out of the export now and then. */
export const linkRaces: readonly string[] = ['escape-race-symlink', 'escape-race-host'];

/**
 * @param seconds how long each race for a link is run at least; all shares are raced for at once
 * @param tries how often each of them is tried at least; a race goes on for five minutes more until it is (`escape-race-symlink` is two)
 */
export const escapeTask = (seconds: number, tries = 0): string =>
  [
    `task=escape at_once=1 canary=${canary.path} secret=${canary.secret} host_race=1`,
    `seconds=${seconds} tries=${tries} parent_seconds=${Math.ceil(seconds / 5)}`,
  ].join(' ');

/** What the host sees of everything beside the canary: content, owner, mode, time, names. */
export function outside(host: LabHost): string {
  const directory = host.pathFromHere('/srv/outside');
  const facts = readdirSync(directory)
    .sort()
    .map((name) => {
      const { uid, gid, mode, mtimeMs, nlink } = statSync(`${directory}/${name}`);
      return [name, uid, gid, mode, mtimeMs, nlink, readFileSync(`${directory}/${name}`, 'utf8')];
    });
  return JSON.stringify(facts);
}

/** The canary, and links to it that the guest finds in each export. */
export function placeCanary(host: LabHost, sources: readonly string[]): void {
  mkdirSync(host.pathFromHere('/srv/outside'), { recursive: true });
  writeFileSync(host.pathFromHere(canary.path), canary.secret);
  for (const source of sources) {
    const planted = host.pathFromHere(`${source}/planted`);
    mkdirSync(planted, { recursive: true });
    for (const [name, target] of Object.entries({
      absolute: canary.path,
      relative: `../../../outside/${basename(canary.path)}`,
      directory: '/srv/outside',
      above: '../../../outside',
      root: '/',
    })) {
      symlinkSync(target, `${planted}/${name}`);
    }
  }
}

/** Somebody on the host who swaps a directory of each export for a link to the canary's; returns what ends it and tells how often in each. */
export async function startSwapper(
  host: LabHost,
  sources: readonly string[],
): Promise<() => Promise<readonly number[]>> {
  host.copyIn(swapProgram, '/root/swap.pl');
  const directories = sources.map((source) => `${source}/race-host`);
  const argv = ['perl', '/root/swap.pl', '/srv/outside', basename(canary.path), '1800', ...directories];
  const pid = await host.run(
    sh`setsid ${words(argv)} </dev/null >/root/swap.count 2>/root/swap.log & echo $!`,
  );
  return async () => {
    // it has not ended by itself
    await host.run(sh`kill ${words([pid.trim()])}; while [ ! -s /root/swap.count ]; do sleep 0.1; done`);
    const said = readFileSync(host.pathFromHere('/root/swap.count'), 'utf8');
    return (/^swaps=([\d,]+)\n$/.exec(said)?.[1] ?? '').split(',').map(Number);
  };
}
