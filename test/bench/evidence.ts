import { performance } from 'node:perf_hooks';
import { planHost } from '../../provider/engine/plan.ts';
import { evidenceSection } from '../../provider/jail/evidence.ts';
import { sh, words } from '../../provider/model/shell.ts';
import { guestNames, startByCore, stopByCore, targetOf, value, wishOf } from './core.ts';
import type { BenchHost } from './host.ts';
import { Fleet } from '../../provider/executor/fleet.ts';
import { notAsExpected } from '../container-host.ts';
import { median } from './measure.ts';

/** What the evidence of a number of guests on one host costs. */
export interface EvidenceCost {
  readonly guests: number;
  /** Processes that reading starts on the host; the least of some tries, for the host has a life of its own. */
  readonly forks: number;
  /** Time of the section on the host. Unit: ms, one per run. */
  readonly onHost: readonly number[];
  /** What the section printed. */
  readonly bytes: number;
  /** A look at the whole host (what it is, users, guests, evidence), over SSH and judged. Unit: ms, one per run. */
  readonly look: readonly number[];
  readonly roundTrips: number;
}

/** Starts so many guests, looks at them again and again, and takes them away. */
export async function evidenceCost(host: BenchHost, guests: number, runs: number): Promise<EvidenceCost> {
  await startByCore(host, guests);
  try {
    await standStill(host);
    const forks = await forksOfReading(host, guests, runs);
    const { onHost, bytes } = await timeOnHost(host, guests, runs);
    return { guests, forks, onHost, bytes, ...(await looks(host, guests, runs)) };
  } finally {
    await stopByCore(host, guests, { everything: true });
  }
}

export function showEvidenceCost(costs: readonly EvidenceCost[]): string {
  return costs
    .map(({ guests, forks, onHost, bytes, look, roundTrips }) =>
      [
        `evidence of ${guests} guests: ${forks} forks, ${median(onHost).toFixed(0)} ms on the host`,
        `(${Math.min(...onHost).toFixed(0)} to ${Math.max(...onHost).toFixed(0)}, ${onHost.length} runs)`,
        `and ${(bytes / guests / 1024).toFixed(1)} KiB a guest;`,
        `the whole host seen and judged in ${median(look).toFixed(0)} ms, ${roundTrips} round trip`,
      ].join(' '),
    )
    .join('\n');
}

/** Until the guests' firmware is done: what counts is the cost of reading, not of a hundred firmwares beside it. */
async function standStill({ lab }: BenchHost): Promise<void> {
  await lab.run(sh`before=0
for try in $(seq 120); do
  ticks=0
  for stat in $(grep -slE '^Name:[[:blank:]]qemu' /proc/[0-9]*/status); do
    read -r line <"\${stat%us}" || continue
    line=\${line##*) }
    set -- $line
    ticks=$((ticks + \${12} + \${13}))
  done
  [ $((ticks - before)) -gt 5 ] || break
  before=$ticks
  sleep 0.5
done`);
}

function section(guests: number) {
  const { body, arguments: names } = evidenceSection(guestNames(guests));
  return { definition: sh`section() {\n${body}\n}`, call: sh`section ${words(names)}` };
}

/** By the numbers of the processes before and after. */
async function forksOfReading({ lab }: BenchHost, guests: number, runs: number): Promise<number> {
  const { definition, call } = section(guests);
  const counts = await lab.run(sh`${definition}
for try in $(seq ${Math.max(runs, 5)}); do
  : & before=$!
  (${call}) >/dev/null
  : & echo $(($! - before - 2))
done`);
  return Math.min(...counts.trim().split('\n').map(Number));
}

async function timeOnHost(
  { lab }: BenchHost,
  guests: number,
  runs: number,
): Promise<{ readonly onHost: readonly number[]; readonly bytes: number }> {
  const { definition, call } = section(guests);
  const shown = await lab.run(sh`${definition}
for try in $(seq ${runs}); do
  before=$(date +%s%N)
  (${call}) >/run/bench-evidence
  after=$(date +%s%N)
  echo $(((after - before) / 1000)) "$(stat -c %s /run/bench-evidence)"
done
rm /run/bench-evidence`);
  const lines = shown
    .trim()
    .split('\n')
    .map((line) => line.split(' ').map(Number));
  return { onHost: lines.map(([micros = 0]) => micros / 1000), bytes: lines[0]?.[1] ?? 0 };
}

async function looks(
  host: BenchHost,
  guests: number,
  runs: number,
): Promise<Pick<EvidenceCost, 'look' | 'roundTrips'>> {
  const target = targetOf(host);
  const link = new Fleet({ holder: 'benchmark' });
  try {
    await link.observe(target);
    const look: number[] = [];
    for (let run = 0; run < runs; run++) {
      link.forget(target.host);
      const start = performance.now();
      const seen = value(await link.observe(target));
      value(planHost(wishOf(host, guests), seen));
      look.push(performance.now() - start);
      const judged = guestNames(guests).map((name) => seen.evidence.get(name)?.layers ?? []);
      if (judged.some((layers) => layers.length === 0 || notAsExpected(layers).length > 0)) {
        throw new Error('a guest is not isolated');
      }
    }
    const trips = link.counters().get(target.host)?.readBatches ?? 0;
    return { look, roundTrips: trips / (runs + 1) };
  } finally {
    await link.close();
  }
}
