import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { type HostLink, linkOf } from './addresses.ts';
import { cgroupMembers, killCgroups, removeCgroups } from './cgroup.ts';
import { runsDirectory } from './paths.ts';
import { isAlive } from './process.ts';

const recordSchema = z.object({
  id: z.string().regex(/^[a-z0-9-]+$/),
  /** Who ends the run: absent once a run was left running for `npm run lab -- down`. */
  owner: z.object({ pid: z.number(), startTicks: z.string(), bootId: z.string() }).optional(),
  slot: z.number(),
  hosts: z.array(z.object({ name: z.string(), publicKeys: z.array(z.string()) })),
});

/** What is known about a run by everyone on this machine; enough to take away all it made. */
export type RunRecord = z.infer<typeof recordSchema>;

export function runDirectory(id: string): string {
  return join(runsDirectory(), id);
}

/** Name of the control group, below the labs' own. */
export function cgroupOf(record: Pick<RunRecord, 'id'>, host: string): string {
  return `${record.id}/${host}`;
}

export function saveRecord(record: RunRecord): void {
  const directory = runDirectory(record.id);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  writeFileSync(join(directory, 'run.json.new'), JSON.stringify(record));
  renameSync(join(directory, 'run.json.new'), join(directory, 'run.json'));
}

export function savedRecords(): readonly RunRecord[] {
  return savedIds().flatMap((id) => {
    const record = readRecord(id);
    return record === undefined ? [] : [record];
  });
}

function savedIds(): readonly string[] {
  return statSync(runsDirectory(), { throwIfNoEntry: false }) ? readdirSync(runsDirectory()) : [];
}

function readRecord(id: string): RunRecord | undefined {
  try {
    return recordSchema.parse(JSON.parse(readFileSync(join(runDirectory(id), 'run.json'), 'utf8')));
  } catch {
    return undefined;
  }
}

/** Still somebody's: its owner lives, or it was left running and still does. */
export function isInUse(record: RunRecord): boolean {
  return record.owner === undefined ? cgroupMembers(record.id).length > 0 : isAlive(record.owner);
}

/** Takes away what runs without an owner left behind. To be called under the lock on runs. */
export function sweep(): void {
  for (const id of savedIds()) {
    const record = readRecord(id);
    if (record === undefined) rmSync(runDirectory(id), { recursive: true, force: true });
    else if (!isInUse(record)) destroy(record);
  }
}

/** Ends every process of the run and removes all it made. Safe to repeat; does not wait for the event loop. */
export function destroy(record: RunRecord): void {
  endProcesses(record.id);
  record.hosts.forEach((_, index) => {
    removeInterface(linkOf(record.slot, index));
  });
  removeCgroups(record.id);
  rmSync(runDirectory(record.id), { recursive: true, force: true });
}

/** Ends every process in a control group (`RUN` or `RUN/HOST`) and waits until they are gone. */
export function endProcesses(cgroup: string): void {
  waitUntil(`the processes of ${cgroup} to end`, () => {
    killCgroups(cgroup);
    return cgroupMembers(cgroup).length === 0;
  });
}

/** The kernel removes the link with the host's network namespace, a moment after its last process. */
export function removeInterface(link: HostLink): void {
  const exists = () =>
    statSync(`/sys/class/net/${link.machineInterface}`, { throwIfNoEntry: false }) !== undefined;
  if (!exists()) return;
  spawnSync('ip', ['link', 'delete', link.machineInterface], { stdio: 'ignore' });
  waitUntil(`${link.machineInterface} to go`, () => !exists());
}

/** Blocks: it must work in exit handlers too. */
function waitUntil(what: string, done: () => boolean): void {
  const cell = new Int32Array(new SharedArrayBuffer(4));
  for (let tries = 0; tries < 2000; tries++) {
    if (done()) return;
    Atomics.wait(cell, 0, 0, 5);
  }
  throw new Error(`waited 10 seconds for ${what}`);
}
