import type { LayerEvidence } from '../model/evidence.ts';
import { joined, sh, type ShellText, word } from '../model/shell.ts';
import { confinedProcesses, judge } from './judge.ts';
import { writableBytes } from './disk-sizes.ts';
import { type IsolationExpectation, type LaunchPlan, usesVfio } from './launch-plan.ts';
import { loggerLimits } from './logger.ts';
import type { GuestObservation, ProcessObservation } from './observation.ts';

/** Names as `prlimit` has them, with the words of /proc/PID/limits. */
export const rlimitLabels = {
  fsize: 'Max file size',
  nproc: 'Max processes',
  nofile: 'Max open files',
  core: 'Max core file size',
  msgqueue: 'Max msgqueue size',
  memlock: 'Max locked memory',
  locks: 'Max file locks',
} as const;
export type RlimitName = keyof typeof rlimitLabels;

/** QEMU's thread pool reaches 64 threads by itself, and a guest can provoke that; without a margin it would abort. */
const threadPool = 64;
const threadMargin = 16;
/** Xen's limit for a device model that writes no file of its own. Unit: bytes. */
const minFileSize = 262_144;
const mib = 1_048_576;
/** What QEMU locks beside the guest's memory when a device is passed through: what of other devices is mapped. Unit: MiB. Source: libvirt. */
const vfioOverheadMib = 1024;

type LimitedPlan = Pick<LaunchPlan, 'vcpus' | 'disks' | 'sharedMemoryMib' | 'shares' | 'devices' | 'limits'>;

/** The largest file that the guest's disks, shared memory or shares need: 9p is written by QEMU itself, whoever has opened the file. It counts for memfds too, not for block devices. */
function fileSize({ disks, sharedMemoryMib, shares }: LimitedPlan): number {
  const written = shares.filter(({ readonly, driver }) => !readonly && driver.kind !== 'virtiofs');
  return Math.max(
    minFileSize,
    sharedMemoryMib * mib,
    ...disks.map((disk) => writableBytes(disk) ?? 0),
    ...written.map(({ maxFileMib }) => maxFileMib * mib),
  );
}

/** Nothing, but for guests with a VFIO device: these have their whole memory locked. */
function lockedMemory({ devices, limits }: LimitedPlan): number {
  return usesVfio(devices) ? (limits.memoryMib + vfioOverheadMib) * mib : 0;
}

/**
 * Soft and hard limits of QEMU and its namespace parent: Xen's for a device model, Firecracker's number of open files unless the plan says another.
 * Units: bytes for fsize, core, msgqueue and memlock; else a number.
 */
export function rlimitValues(
  plan: LimitedPlan,
  sharedUser: boolean,
): Readonly<Partial<Record<RlimitName, number>>> {
  const nproc = threadPool + plan.vcpus + threadMargin;
  const others = {
    fsize: fileSize(plan),
    nofile: plan.limits.openFiles,
    core: 0,
    msgqueue: 0,
    memlock: lockedMemory(plan),
    locks: 0,
  };
  // It counts per uid: under a shared user one guest would take what another needs (Xen dropped it for that).
  return sharedUser ? others : { ...others, nproc };
}

/** Part of the last command, nothing where the layer is not asked for; `nproc` only where the user is the guest's own. */
export function rlimitsCommand(plan: LaunchPlan): ShellText {
  if (plan.requests.rlimits !== 'on') return sh``;
  const { nproc = 0, ...others } = rlimitValues(plan, false);
  const options = Object.entries(others).map(([name, value]) => word(`--${name}=${value}`));
  return sh`prlimit ${joined(options)} \${own_user:+--nproc=${nproc}}`;
}

export function proveRlimits(
  observation: GuestObservation,
  expectation: IsolationExpectation,
): LayerEvidence {
  const wrong: string[] = [];
  const unknown: string[] = [];
  for (const process of confinedProcesses(observation)) {
    const expected = process.role === 'logger' ? loggerLimits : expectation.rlimits;
    limitFaults(process, expected, wrong, unknown);
  }
  const requested = Object.entries(expectation.rlimits)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');
  const raw = confinedProcesses(observation).flatMap((process) =>
    Object.entries(process.limits ?? {}).map(
      ([label, limit]) => `${process.pid} ${label} ${limit.soft} ${limit.hard}`,
    ),
  );
  return judge('rlimits', requested, observation, { wrong, unknown }, raw);
}

export function limitFaults(
  process: ProcessObservation,
  expected: Readonly<Record<string, number>>,
  wrong: string[],
  unknown: string[],
): void {
  for (const [name, value] of Object.entries(expected)) {
    const label = (rlimitLabels as Readonly<Record<string, string>>)[name] ?? name;
    const found = process.limits?.[label];
    if (found === undefined) unknown.push(`${name} of the ${process.role} could not be read`);
    else if (found.soft !== value || found.hard !== value) {
      wrong.push(
        `${process.role} has ${name} ${found.soft === found.hard ? found.soft : `${found.soft}/${found.hard}`}`,
      );
    }
  }
}
