/**
 * Measures what Stockade's core takes for guests beside what people use otherwise, on one test host, in one run; and what the
 * same takes through Terraform. docs/benchmarks.md says what is measured and how to read it.
 *
 *   npm run bench -- [--guests 1,10,30] [--runs 3] [--only core,first,shell,libvirt,ansible,terraform,handshake,evidence,launch,shares,definitions,planning,distance] [--linux]
 *                    [--distance-hosts 10] [--distance-guests 10] [--share-mib 256] [--share-files 10000] [--share-drivers proxy,virtiofs,local]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildProvider } from '../../scripts/build-provider.ts';
import { buildGuestImage } from '../lab/guest/image.ts';
import { startLab } from '../lab/lab.ts';
import { suites } from '../lab/recipe.ts';
import { silenceLibvirt } from './baselines/libvirt.ts';
import { type Contender, contenders } from './contenders.ts';
import type { CoreRun } from './core.ts';
import { distanceCost, distanceLimits, showDistanceCost } from './distance.ts';
import { evidenceCost, showEvidenceCost } from './evidence.ts';
import { handshakes } from './handshake.ts';
import { launchCost, showLaunchCost } from './launch.ts';
import { type BenchHost, prepareBenchHost } from './host.ts';
import { beyond, type Limit } from './limits.ts';
import { describeMachine } from './machine.ts';
import { phaseTable, type Series, table, verdicts } from './measure.ts';
import { benchRoot } from './root.ts';
import { shareCosts, showShareCosts } from './shares.ts';
import { showSizedCosts, type SizedCost, sizedCosts, sizedLimits } from './sized.ts';
import { runTerraform } from './terraform.ts';

const say = (text: string) => process.stdout.write(`${text}\n`);
const all = [
  'core',
  'first',
  'shell',
  'libvirt',
  'ansible',
  'terraform',
  'handshake',
  'evidence',
  'launch',
  'shares',
  'definitions',
  'planning',
  'distance',
];
const { values: options } = parseArgs({
  options: {
    guests: { type: 'string', default: '1,10,30' },
    runs: { type: 'string', default: '3' },
    only: { type: 'string', default: all.join(',') },
    linux: { type: 'boolean', default: false },
    'share-mib': { type: 'string', default: '256' },
    'share-files': { type: 'string', default: '10000' },
    'distance-hosts': { type: 'string', default: '10' },
    'distance-guests': { type: 'string', default: '10' },
    'share-drivers': { type: 'string', default: 'proxy,virtiofs,local' },
  },
});
const chosen = options.only.split(',');
const unknown = chosen.find((key) => !all.includes(key));
if (unknown !== undefined) throw new Error(`nothing is called ${unknown}; known: ${all.join(', ')}`);
const runs = Number(options.runs);
/** More would take longer than everything else together. */
const runsOf = (contender: Contender, guests: number) =>
  contender.key === 'ansible' && guests > 10 ? 1 : runs;

say(`# Benchmark, ${new Date().toISOString().slice(0, 10)}\n${describeMachine()}\n`);
const folder = mkdtempSync(join(tmpdir(), 'stockade-bench-'));
const limits: Limit[] = [];
try {
  if (chosen.some((key) => !['shares', 'definitions', 'planning', 'distance'].includes(key)))
    await onOneHost();
  if (chosen.includes('shares')) await shares();
  const sizes = [100, 1000, 10_000];
  if (chosen.includes('definitions')) {
    const costs = await sizedCosts('definitions-child.ts', sizes, Math.max(runs, 5));
    sized('Definitions read and checked:', costs);
  }
  if (chosen.includes('planning')) {
    const costs = await sizedCosts('planning-child.ts', sizes, runs);
    sized('Definitions read, planned upon simulated observations, and shown:', costs);
  }
  if (chosen.includes('distance')) {
    const [hosts, guestsPerHost] = [Number(options['distance-hosts']), Number(options['distance-guests'])];
    const cost = await distanceCost({ hosts, guestsPerHost, roundTripMs: 50, runs: Math.max(runs, 5) }, say);
    say(`${showDistanceCost(cost)}\n`);
    limits.push(...distanceLimits(cost));
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
const missed = beyond(limits);
for (const one of missed) say(`BEYOND ITS LIMIT: ${one}`);
if (missed.length > 0) process.exitCode = 1;

function sized(title: string, costs: readonly SizedCost[]): void {
  say(`${showSizedCosts(title, costs)}\n`);
  limits.push(...sizedLimits(title, costs));
}

/** All but the shares, which have hosts of two releases and a guest of their own. */
async function onOneHost(): Promise<void> {
  const image = await buildGuestImage(say);
  const lab = await startLab({ hosts: 1, name: 'bench', root: await benchRoot(say), progress: say });
  try {
    const [machine] = lab.hosts;
    if (machine === undefined) throw new Error('the lab started without a host');
    const { still, linux } = await prepareBenchHost(machine, image);
    const host = options.linux ? linux : still;
    say(
      `guests: ${options.linux ? 'boot Linux, and compete for the processors with those still to start' : "stand still after QEMU's firmware"}; TCG\n`,
    );
    await silenceLibvirt(host);
    for (const guests of options.guests.split(',').map(Number)) await compare(host, guests);
    if (chosen.includes('evidence')) {
      const counts = [10, 100];
      const costs = [];
      for (const guests of counts) costs.push(await evidenceCost(still, guests, runs));
      say(`${showEvidenceCost(costs)}\n`);
    }
    if (chosen.includes('launch')) say(`${showLaunchCost(await launchCost(still, Math.max(runs, 9)))}\n`);
    if (chosen.includes('terraform')) await throughTerraform(host);
    if (chosen.includes('handshake')) {
      const { binary } = await buildProvider(join(folder, 'provider'));
      say(table('Provider: start to handshake', [{ name: 'handshake', runs: await handshakes(binary, 20) }]));
    }
  } finally {
    await lab.stop();
  }
}

async function shares(): Promise<void> {
  const work = {
    mib: Number(options['share-mib']),
    files: Number(options['share-files']),
    drivers: options['share-drivers'].split(','),
  };
  const costs = [];
  for (const suite of suites) costs.push(...(await shareCosts(suite, work, runs, say)));
  say(`${showShareCosts(costs)}\n`);
}

async function compare(host: BenchHost, guests: number): Promise<void> {
  const cores = new Map<string, CoreRun[]>();
  const ways = contenders(folder, (name, run) => cores.set(name, [...(cores.get(name) ?? []), run])).filter(
    ({ key }) => chosen.includes(key),
  );
  const times = new Map<string, number[]>();
  // one after the other, round by round, so that whatever else the machine does meets all of them
  for (let round = 0; round < runs; round++) {
    for (const way of ways) {
      if (round >= runsOf(way, guests)) continue;
      times.set(way.key, [...(times.get(way.key) ?? []), await way.run(host, guests)]);
    }
  }
  const series: Series[] = ways.map(({ name, key }) => ({ name, key, runs: times.get(key) ?? [] }));
  if (series.length > 0) say(table(`${guests} guests`, series));
  for (const line of guests === 10 ? verdicts(series) : []) say(line);
  for (const [name, taken] of cores) {
    say(
      phaseTable(
        `${guests} guests, ${name === 'first' ? 'with preparation' : 'prepared host'}`,
        taken.map(({ phases }) => phases),
      ),
    );
    const counters = taken.map(
      ({ counters: c }) => `${c.connections} connection, ${c.readBatches} + ${c.writeBatches} round trips`,
    );
    say(`${[...new Set(counters)].join('; ')}\n`);
  }
}

async function throughTerraform(host: BenchHost): Promise<void> {
  const { cliConfigFile } = await buildProvider(join(folder, 'provider'));
  for (const guests of options.guests.split(',').map(Number)) {
    const run = await runTerraform(host, guests, join(folder, `terraform-${guests}`), cliConfigFile);
    say(
      `terraform, ${guests} guests, host and users: apply ${run.apply.toFixed(0)} ms, ${run.applyOnHost} of it between the first and the last word with the host ` +
        `(${run.connections} connections, ${run.reads} reads, ${run.writes} writes); destroy ${run.destroy.toFixed(0)} ms`,
    );
  }
  say('');
}
