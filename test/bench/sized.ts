import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Limit } from './limits.ts';
import { median } from './measure.ts';

/** What something takes for so many guests. */
export interface SizedCost {
  readonly guests: number;
  readonly ms: number;
  /** Processor time, of the collector of garbage too: what is left of the figures while the machine is busy. */
  readonly cpuMs: number;
  /** Of the whole process, at its largest. Unit: MiB. */
  readonly peakMib: number;
}

/** Each run is a process of its own (`program GUESTS`, which sends what it took), so that none profits from another's memory. */
export async function sizedCosts(
  program: string,
  counts: readonly number[],
  runs: number,
): Promise<SizedCost[]> {
  const costs: SizedCost[] = [];
  for (const guests of counts) {
    const taken: Omit<SizedCost, 'guests'>[] = [];
    for (let run = 0; run < runs; run++) taken.push(await once(program, guests));
    costs.push({
      guests,
      ms: median(taken.map(({ ms }) => ms)),
      cpuMs: median(taken.map(({ cpuMs }) => cpuMs)),
      peakMib: Math.max(...taken.map(({ peakMib }) => peakMib)),
    });
  }
  return costs;
}

function once(program: string, guests: number): Promise<Omit<SizedCost, 'guests'>> {
  const child = fork(fileURLToPath(new URL(program, import.meta.url)), [String(guests)]);
  return new Promise((resolve, reject) => {
    child.once('message', (cost: Omit<SizedCost, 'guests'>) => resolve(cost));
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`${program} ${guests} ended with ${code}`)));
  });
}

/** A line for each size, and the exponent of growth from the smallest to the largest. */
export function showSizedCosts(title: string, costs: readonly SizedCost[]): string {
  const lines = costs.map(
    ({ guests, ms, cpuMs, peakMib }) =>
      `${guests} guests: ${ms.toFixed(0)} ms, ${cpuMs.toFixed(0)} ms of a processor, ${peakMib.toFixed(0)} MiB at most`,
  );
  const [first, last] = [costs[0], costs.at(-1)];
  if (first === undefined || last === undefined || first === last) return lines.join('\n');
  return [
    title,
    ...lines,
    `grows with exponent ${exponentOf(first, last).toFixed(2)} from ${first.guests} to ${last.guests} guests`,
  ].join('\n');
}

function exponentOf(first: SizedCost, last: SizedCost): number {
  return Math.log(last.cpuMs / first.cpuMs) / Math.log(last.guests / first.guests);
}

/** Growth is to be linear, and memory to stay below a GiB. */
export function sizedLimits(title: string, costs: readonly SizedCost[]): readonly Limit[] {
  const [first, last] = [costs[0], costs.at(-1)];
  if (first === undefined || last === undefined || first === last) return [];
  const range = `from ${first.guests} to ${last.guests} guests`;
  return [
    { what: `${title} exponent ${range}`, value: exponentOf(first, last), most: 1.1, unit: '' },
    { what: `${title} memory`, value: last.peakMib, most: 1024, unit: 'MiB' },
  ];
}
