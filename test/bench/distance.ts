import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { buildCli } from '../../scripts/build-cli.ts';
import { delayProxy } from '../lab/delay-proxy.ts';
import { standstillKernel } from '../lab/guest/standstill.ts';
import { startLab } from '../lab/lab.ts';
import { capture } from '../lab/process.ts';
import type { Limit } from './limits.ts';
import { median, timed } from './measure.ts';

export interface DistanceOptions {
  readonly hosts: number;
  readonly guestsPerHost: number;
  /** Of the round trip. Unit: milliseconds. */
  readonly roundTripMs: number;
  readonly runs: number;
}

/** What the command line takes with all hosts far away. Unit: milliseconds. */
export interface DistanceCost extends DistanceOptions {
  /** `stockade --version`: what every command takes. */
  readonly start: number;
  /** A plan without changes over all hosts. */
  readonly plan: number;
  /** How much of their time this machine's processors, which the command and all hosts share, were at work meanwhile. From 0 to 1. */
  readonly busy: number;
  /** The first apply of each host by itself, one after the other, with all processors for it: the slowest. */
  readonly slowestAlone: number;
  /** The first apply of all of them. */
  readonly apply: number;
  /** The same by a process for each host, all at the same time: the slowest. They share this machine and nothing else. */
  readonly slowestBeside: number;
}

/** Every host is behind a proxy that delays; guests' processors stand still, so that they do not compete with the work. */
export async function distanceCost(
  options: DistanceOptions,
  say: (text: string) => void,
): Promise<DistanceCost> {
  const folder = mkdtempSync(join(tmpdir(), 'stockade-distance-'));
  const lab = await startLab({ hosts: options.hosts, name: 'distance', progress: say });
  const delayMs = options.roundTripMs / 2;
  const proxies = await Promise.all(lab.hosts.map((target) => delayProxy({ target, delayMs })));
  try {
    const program = await buildCli(join(folder, 'stockade.cjs'));
    writeFileSync(join(folder, 'still'), standstillKernel());
    const hosts = lab.hosts.map((host, index) => [
      host.name,
      {
        ...{ address: '127.0.0.1', port: proxies[index]?.port, user: host.user },
        ...{ hostKey: host.hostPublicKey, privateKeyFile: host.keyFile },
      },
    ]);
    const guests = lab.hosts.flatMap(({ name: host }) =>
      Array.from({ length: options.guestsPerHost }, (_, index) => [`${host}-g${index}`, { host }] as const),
    );
    const fleet = {
      fleet: 'bench',
      defaults: {
        guests: { memoryMib: 16, accelerator: 'tcg', kernel: { file: 'still' }, shutdownTimeoutSeconds: 0 },
      },
      hosts: Object.fromEntries(hosts) as object,
      users: lab.hosts.map(({ name }) => ({ host: name })),
      guests: Object.fromEntries(guests),
    };
    writeFileSync(join(folder, 'stockade.yaml'), stringify(fleet));
    const run: Run = (...words) => timed(() => runProgram(folder, [program, ...words]));
    return {
      ...options,
      ...(await measure(
        run,
        options,
        lab.hosts.map(({ name }) => name),
      )),
    };
  } finally {
    await Promise.all(proxies.map((proxy) => proxy.close()));
    await lab.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

type Run = (...words: readonly string[]) => Promise<number>;

async function measure(
  run: Run,
  { runs }: DistanceOptions,
  hosts: readonly string[],
): Promise<Omit<DistanceCost, keyof DistanceOptions>> {
  const destroy = () => run('destroy', '--yes');
  const alone: number[] = [];
  for (const host of hosts) alone.push(await run('apply', '--yes', '--limit', host));
  await destroy();
  const beside = await Promise.all(hosts.map((host) => run('apply', '--yes', '--limit', host)));
  await destroy();
  const apply = await run('apply', '--yes');
  const [start, plan, busy]: [number[], number[], number[]] = [[], [], []];
  for (let index = 0; index < runs; index++) {
    start.push(await run('--version'));
    const before = processorTime();
    plan.push(await run('plan', '--detailed-exitcode'));
    const after = processorTime();
    busy.push((after.atWork - before.atWork) / (after.all - before.all));
  }
  await destroy();
  return {
    ...{ start: median(start), plan: median(plan), busy: median(busy), apply },
    ...{ slowestAlone: Math.max(...alone), slowestBeside: Math.max(...beside) },
  };
}

/** Of all processors since the machine started. Unit: the kernel's ticks. */
function processorTime(): { readonly atWork: number; readonly all: number } {
  const [line = ''] = readFileSync('/proc/stat', 'latin1').split('\n');
  // user, nice, system, idle, iowait, irq, softirq, steal; what virtual machines take is in the first two
  const ticks = line.split(/ +/).slice(1, 9).map(Number);
  const all = ticks.reduce((sum, one) => sum + one, 0);
  return { all, atWork: all - (ticks[3] ?? 0) - (ticks[4] ?? 0) };
}

async function runProgram(folder: string, words: readonly string[]): Promise<void> {
  const ran = await capture(process.execPath, words, { cwd: folder });
  if (ran.exitCode !== 0)
    throw new Error(`${words.slice(1).join(' ')} ended with ${ran.exitCode}: ${ran.stderr}`);
}

export function distanceLimits({ start, plan, slowestBeside, apply }: DistanceCost): readonly Limit[] {
  return [
    {
      what: 'plan without changes beyond the start of the process',
      value: plan - start,
      most: 1000,
      unit: 'ms',
    },
    {
      what: 'first apply of all by the slowest of a process for each host',
      value: apply / slowestBeside,
      most: 2,
      unit: 'times',
    },
  ];
}

export function showDistanceCost(cost: DistanceCost): string {
  const { hosts, guestsPerHost, roundTripMs, start, plan, busy, slowestAlone, slowestBeside, apply } = cost;
  return [
    `The command line with ${roundTripMs} ms of round trip to each of ${hosts} hosts, ${hosts * guestsPerHost} guests:`,
    `plan without changes: ${(plan - start).toFixed(0)} ms beyond the start of the process (${start.toFixed(0)} ms); at most 1000`,
    `the processors that all hosts share with the command were busy for ${(busy * 100).toFixed(0)} % of it`,
    `first apply of all: ${apply.toFixed(0)} ms; by a process for each host at the same time, the slowest: ${slowestBeside.toFixed(0)} ms; ${(apply / slowestBeside).toFixed(2)} times, at most 2`,
    `the slowest host with all processors for it alone: ${slowestAlone.toFixed(0)} ms; all hosts share this machine's`,
  ].join('\n');
}
