import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';

/** What the figures were taken on, and whether it was quiet. */
export function describeMachine(): string {
  const virtual = /^flags\s*:.*\bhypervisor\b/m.test(readFileSync('/proc/cpuinfo', 'utf8'));
  const [load = 0] = loadavg();
  return [
    `${availableParallelism()} processors (${cpus()[0]?.model ?? 'unknown'})${virtual ? ', itself a virtual machine' : ''}`,
    `${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node ${process.version}`,
    `load before the start ${load.toFixed(1)}`,
  ].join('; ');
}
