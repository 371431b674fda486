import { randomBytes } from 'node:crypto';
import { freeSlot } from './addresses.ts';
import { forgetAtExit, removeAtExit } from './exit.ts';
import { withLock } from './lock.ts';
import { runsLock } from './paths.ts';
import { identify } from './process.ts';
import { destroy, type RunRecord, savedRecords, saveRecord, sweep } from './run-record.ts';

/** Says that this process has a run of so many hosts; the run goes away with it. What ended runs left is swept first. */
export async function registerRun(name: string, hosts: number): Promise<RunRecord> {
  const record = await withLock(runsLock(), async () => {
    sweep();
    const owner = identify(process.pid);
    if (owner === undefined) throw new Error("cannot read this process's own entry in /proc");
    const fresh: RunRecord = {
      id: `${name}-${randomBytes(4).toString('hex')}`,
      owner,
      slot: freeSlot(savedRecords().map((other) => other.slot)),
      hosts: Array.from({ length: hosts }, (_, index) => ({ name: `h${index + 1}`, publicKeys: [] })),
    };
    saveRecord(fresh);
    return fresh;
  });
  removeAtExit(record);
  return record;
}

/** Ends and removes all of a run. Safe to repeat. */
export async function removeRun(record: RunRecord): Promise<void> {
  await withLock(runsLock(), async () => destroy(record));
  forgetAtExit(record.id);
}
