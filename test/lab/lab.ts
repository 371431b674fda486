import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hostsPerSlot, linkOf } from './addresses.ts';
import type { Progress } from './cache.ts';
import { LabHost, makeHostDirectory } from './host.ts';
import { withLock } from './lock.ts';
import { runsLock } from './paths.ts';
import { forgetAtExit } from './exit.ts';
import { registerRun, removeRun } from './runs.ts';
import { hostRoot } from './root.ts';
import type { Suite } from './recipe.ts';
import { type RunRecord, runDirectory, saveRecord, savedRecords, sweep } from './run-record.ts';
import { makeKey, writeSeed } from './seed.ts';

export { LabHost } from './host.ts';

export interface LabOptions {
  /** How many hosts, 1 to 64; they are called h1, h2, … */
  readonly hosts: number;
  /** Lower-case letters, digits and dashes; shows in process lists and state. @default "lab" */
  readonly name?: string;
  /** Leave the hosts running when this process ends. @default false */
  readonly detached?: boolean;
  /** Each host's writable file system, in memory, of this size. @default on the machine's disk, with its free space */
  readonly diskMiB?: number;
  /** Told what takes long. @default nobody */
  readonly progress?: Progress;
  /** The Debian release of the hosts. @default "bookworm" */
  readonly suite?: Suite;
  /** The root file system the hosts are overlays on. @default hostRoot() of the release */
  readonly root?: string;
}

export interface Lab {
  readonly id: string;
  readonly hosts: readonly LabHost[];
  /** Ends and removes everything; safe to repeat. */
  stop(): Promise<void>;
}

/**
 * Starts throw-away hypervisor hosts and returns when all have booted and take logins. They and all they made go away with
 * `stop`, and with this process however it ends; only files of a process killed with -9 wait for the next lab to be swept.
 */
export async function startLab(options: LabOptions): Promise<Lab> {
  const { hosts, name = 'lab', detached = false, diskMiB, progress = () => undefined } = options;
  if (!Number.isInteger(hosts) || hosts < 1 || hosts > hostsPerSlot) {
    throw new Error(`a lab has 1 to ${hostsPerSlot} hosts, not ${hosts}`);
  }
  if (!/^[a-z0-9-]{1,20}$/.test(name)) throw new Error(`not a lab's name: ${JSON.stringify(name)}`);
  const root = options.root ?? (await hostRoot(progress, options.suite));
  const record = await registerRun(name, hosts);
  try {
    const known = await prepare(record, root);
    const machines = known.hosts.map(
      (_, index) => new LabHost(known, index, { leashed: !detached, diskMiB }),
    );
    await allOrNothing(machines.map((machine) => machine.start()));
    if (detached) leaveRunning(known);
    return { id: known.id, hosts: machines, stop: () => removeRun(known) };
  } catch (error) {
    await removeRun(record);
    throw error;
  }
}

/** A lab that was left running, by any process. */
export function attachLab(record: RunRecord): Lab {
  const settings = { leashed: false, diskMiB: undefined };
  const hosts = record.hosts.map((_, index) => new LabHost(record, index, settings));
  return { id: record.id, hosts, stop: () => removeRun(record) };
}

/** Removes what ended or killed runs left, then says which labs were left running on purpose. */
export function detachedLabs(): Promise<readonly RunRecord[]> {
  return withLock(runsLock(), async () => {
    sweep();
    return savedRecords().filter((record) => record.owner === undefined);
  });
}

/** Makes keys and directories; returns the record with the hosts' public keys. */
async function prepare(record: RunRecord, root: string): Promise<RunRecord> {
  const directory = runDirectory(record.id);
  const userKey = join(directory, 'key');
  await makeKey(userKey, 'ed25519', `stockade-${record.id}`);
  const userPublicKey = readFileSync(`${userKey}.pub`, 'utf8');
  const hosts = await Promise.all(
    record.hosts.map(async ({ name }) => {
      const hostDirectory = join(directory, 'hosts', name);
      makeHostDirectory(hostDirectory, root);
      const seed = join(hostDirectory, 'seed');
      return { name, publicKeys: [...(await writeSeed({ seed, root, hostName: name, userPublicKey }))] };
    }),
  );
  const entries = hosts.flatMap(({ publicKeys }, index) =>
    publicKeys.map((key) => `${linkOf(record.slot, index).hostAddress} ${key}\n`),
  );
  writeFileSync(join(directory, 'known_hosts'), entries.join(''));
  const known = { ...record, hosts };
  saveRecord(known);
  return known;
}

function leaveRunning(record: RunRecord): void {
  const { owner: _, ...ownerless } = record;
  saveRecord(ownerless);
  forgetAtExit(record.id);
}

/** Waits for all, so that none is still starting when the first failure is handled. */
async function allOrNothing(starts: readonly Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(starts);
  for (const result of results) {
    if (result.status === 'rejected') throw result.reason;
  }
}
