import type { ProcessRole } from '../model/evidence.ts';
import type { Indexed } from './evidence-index.ts';
import { type Process, processOf, strangersOf } from './evidence-processes.ts';
import type { RawGuest } from './evidence-stream.ts';
import type { IsolationExpectation } from './launch-plan.ts';
import type { ProcessObservation } from './observation.ts';

/**
 * Processes of a guest that xl runs: those of its unit's cgroup, where libxl starts the device model too, and what runs as the guest's
 * own user elsewhere. The device model is who xenstore names, and whoever runs its program; root's processes are xl's work, what is
 * left is held to what a logger may be.
 */
export function domainProcessesOf(
  guest: RawGuest,
  raw: Indexed,
  expectation: IsolationExpectation,
): readonly ProcessObservation[] {
  const strays = expectation.sharedUser ? [] : (strangersOf(guest, raw, expectation) ?? []);
  const pids = [...guest.pids, ...strays.filter((pid) => raw.strays.includes(pid))];
  return pids
    .flatMap((pid) => processOf(pid, raw) ?? [])
    .map((process) => ({ ...process, role: roleOf(process, expectation) }));
}

function roleOf(process: Process, { domain, qemuDevice, qemuInode }: IsolationExpectation): ProcessRole {
  const isQemu = process.executableDevice === qemuDevice && process.executableInode === qemuInode;
  if (isQemu || process.pid === domain?.deviceModelPid) return 'device-model';
  const isRoot = process.threads.length > 0 && process.threads.every(({ uid }) => uid?.[0] === 0);
  return isRoot ? 'toolstack' : 'logger';
}
