import { attacks } from './attacks.ts';
import { denyList } from './deny-list.ts';
import type { Probe } from './probe.ts';

const pageBytes = 4096;
const bytesPerMib = 1_048_576;
/** What it takes more than it may have. Unit: MiB. */
const excessMib = 32;

export interface ProbeTableSettings {
  /** The memory that the canary's unit may use. Unit: MiB. */
  readonly memoryMib: number;
}

/** Every probe: first those that cost a canary each, then those that share one. */
export function probeTable({ memoryMib }: ProbeTableSettings): readonly Probe[] {
  const all = [...denyList, useUpMemory(memoryMib + excessMib), ...attacks];
  return [...all.filter(({ alone }) => alone === true), ...all.filter(({ alone }) => alone !== true)];
}

function useUpMemory(mib: number): Probe {
  const bytes = mib * bytesPerMib;
  return {
    name: 'use-memory',
    tries: `uses ${mib} MiB of memory`,
    layer: 'cgroup-limits',
    steps: [
      // read and write, private, anonymous, without reservation
      { call: 'mmap', arguments: [0, bytes, 3, 0x4022, -1, 0] },
      { kind: 'touch', call: 0, arguments: [{ result: 0 }], count: bytes / pageBytes },
    ],
    stoppedBy: { SIGKILL: 'cgroup-limits' },
    alone: true,
    controlApart: true,
    controller: 'memory',
  };
}
