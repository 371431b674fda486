import { randomBytes } from 'node:crypto';
import { appendFileSync, chmodSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type HostWish, planHost, wishedSources } from '../../provider/engine/plan.ts';
import { Fleet } from '../../provider/executor/fleet.ts';
import { guestPlaces } from '../../provider/jail/places.ts';
import type { GuestEvidence } from '../../provider/model/evidence.ts';
import type { GuestDesired, GuestShare } from '../../provider/resources/guest/desired.ts';
import { type RenderedGuest, renderGuest, withQemu } from '../../provider/resources/guest/render.ts';
import { capabilitiesFor } from '../../provider/resources/host/facts.ts';
import { notAsExpected } from '../container-host.ts';
import { guestCommandLine } from '../lab/guest/init.ts';
import { buildShareGuest } from '../lab/guest/share-image.ts';
import { figures, readShareReport } from '../lab/guest/share-report.ts';
import { type LabHost, startLab } from '../lab/lab.ts';
import type { Suite } from '../lab/recipe.ts';
import { shareByHand } from './baselines/share.ts';
import { fleet, guestOf, prepareByCore, stopByCore, targetOf, value, wishOf } from './core.ts';
import type { BenchHost } from './host.ts';
import { median } from './measure.ts';

/** What each guest does on its share. */
export interface ShareWork {
  /** Size of the file that is read from one end to the other. Unit: MiB. */
  readonly mib: number;
  /** How many empty files are made in one directory. */
  readonly files: number;
  /** The drivers that are measured. */
  readonly drivers: readonly string[];
}

/** By the guest's clock. Unit: seconds. */
interface ShareTimes {
  readonly read: number;
  readonly create: number;
}

/** One driver, confined and by hand, in turns. */
export interface ShareCost extends ShareWork {
  readonly name: string;
  readonly confined: readonly ShareTimes[];
  readonly byHand: readonly ShareTimes[];
}

interface ShareCase {
  readonly name: string;
  readonly driver: Exclude<GuestShare['driver'], 'auto'>;
  /** So many times the file is read, and the median counts: some seconds of reading, in which anything else comes between. */
  readonly reads: number;
}

const shareCases: Readonly<Record<Suite, readonly ShareCase[]>> = {
  bookworm: [
    { name: 'proxy', driver: 'proxy', reads: 31 },
    { name: 'virtiofs, virtiofsd in C', driver: 'virtiofs', reads: 5 },
    { name: 'local, mapped-file', driver: 'local', reads: 31 },
  ],
  trixie: [{ name: 'virtiofs, virtiofsd in Rust', driver: 'virtiofs', reads: 5 }],
};

/** The host's files are in memory: what a disk takes varies by more than what is measured. Unit: MiB. */
const diskMiB = 4096;

/** Both guests have booted by then, and none of it falls into the other's work. Unit: seconds. */
const bootSeconds = 20;

/** The confinement may make a run take so many times as long. */
const target = 1.05;

/** Only root enters it, as shares have it that a guest writes to. */
const closed = '/srv/bench-closed';

/** Every driver of hosts of one Debian release, in a lab of its own. */
export async function shareCosts(
  suite: Suite,
  work: ShareWork,
  runs: number,
  say: (text: string) => void,
): Promise<readonly ShareCost[]> {
  const lab = await startLab({ hosts: 1, name: 'bench-shares', suite, progress: say, diskMiB });
  try {
    const [machine] = lab.hosts;
    if (machine === undefined) throw new Error('the lab started without a host');
    const host = await shareHost(machine);
    await prepareByCore(host);
    const found = shareCases[suite]
      .filter(({ driver }) => work.drivers.includes(driver))
      .map((each) => ({ ...each, ...work, ...emptySeries() }));
    // as often first as second (`orderOf`)
    for (let round = 0; round < runs + (runs % 2); round++) {
      for (const { confined, byHand, ...each } of found) {
        const { turns, places } = orderOf(round);
        prepareSources(host.lab, work.mib, places);
        const begin = Math.ceil(Date.now() / 1000) + bootSeconds;
        const taken = await Promise.all(
          places.map(async (way) => {
            const turn = turns.indexOf(way);
            return [way, await measured(host, each, work, { ...ways[way], turn, begin })] as const;
          }),
        );
        const times = Object.fromEntries(taken) as Readonly<Record<WayName, ShareTimes>>;
        confined.push(times.confined);
        byHand.push(times.byHand);
        say(`${each.name}: confined ${shown(times.confined)}; by hand ${shown(times.byHand)}`);
      }
    }
    return found;
  } finally {
    await lab.stop();
  }
}

const emptySeries = (): { confined: ShareTimes[]; byHand: ShareTimes[] } => ({ confined: [], byHand: [] });
const shown = (times: ShareTimes) => `read ${times.read.toFixed(3)} s, create ${times.create.toFixed(3)} s`;

/** The share guest's kernel and programs on the host. Nobody needs its ssh program here. */
async function shareHost(lab: LabHost): Promise<BenchHost> {
  const image = await buildShareGuest();
  const [kernel, initrd] = ['/root/share-kernel', '/root/share-initrd'];
  lab.copyIn(image.unpackedKernel, kernel);
  lab.copyIn(image.initrd, initrd);
  return { lab, kernel, initrd, sshArguments: [] };
}

/** Two guests run at once and take turns on the wall clock: whatever else the machine does meets both. */
interface Way {
  readonly guest: string;
  readonly source: string;
  readonly run: (host: BenchHost, guest: GuestDesired) => Promise<string>;
}

type WayName = 'confined' | 'byHand';

const ways: Readonly<Record<WayName, Way>> = {
  confined: { guest: 'bench-share', source: `${closed}/confined`, run: confinedRun },
  byHand: { guest: 'bench-by-hand', source: `${closed}/by-hand`, run: byHandRun },
};

/** One guest's work, on an empty directory. */
async function measured(
  host: BenchHost,
  { driver, reads }: ShareCase,
  { mib, files }: ShareWork,
  { guest: name, source, run, turn, begin }: Way & { readonly turn: number; readonly begin: number },
): Promise<ShareTimes> {
  const type = driver === 'virtiofs' ? 'virtiofs' : '9p';
  const task = `share=data:${type} task=bench turn=${turn} begin=${begin} keep=1 big_mib=${mib} reads=${reads} files=${files}`;
  const guest = guestOf(host, name, {
    memoryMib: 384,
    commandLine: `${guestCommandLine} panic=-1 no_timer_check ${task}`,
    shares: [{ tag: 'data', source, readonly: false, driver, writers: 'one', maxFileMib: Math.max(mib, 1) }],
  });
  const { steps, problem } = readShareReport(Buffer.from(await run(host, guest), 'latin1'));
  const wrong = [
    problem,
    ...steps.filter(({ passed }) => !passed).map(({ step, detail }) => `${step} ${detail}`),
  ];
  if (wrong.some((text) => text !== '')) throw new Error(`${driver}: ${wrong.join('; ')}`);
  const seconds = (name: string) => {
    const taken = figures(steps.find(({ step }) => step === name)).get('seconds');
    if (taken === undefined) throw new Error(`${driver}: the guest said nothing of ${name}`);
    return taken;
  };
  return { read: seconds('bench-read'), create: seconds('bench-create') };
}

/**
 * Who has the first turns, and whose file is made and whose start is begun first: in each two rounds either has either once, in each
 * four in every combination. (QEMU itself comes up later where Apply starts it.) Two guests that are both started by hand were some
 * 3 % apart where the places never changed.
 */
function orderOf(round: number): Readonly<Record<'turns' | 'places', readonly WayName[]>> {
  const inOrder = (first: WayName): readonly WayName[] =>
    first === 'confined' ? ['confined', 'byHand'] : ['byHand', 'confined'];
  const second = round % 2 === 1;
  const crossed = Math.floor(round / 2) % 2 === 1;
  return {
    turns: inOrder(second ? 'byHand' : 'confined'),
    places: inOrder(second === crossed ? 'confined' : 'byHand'),
  };
}

/** A directory for each guest with the file that it reads. */
function prepareSources(lab: LabHost, mib: number, places: readonly WayName[]): void {
  const noise = randomBytes(1024 * 1024);
  for (const { source } of places.map((way) => ways[way])) {
    const directory = lab.pathFromHere(source);
    rmSync(directory, { recursive: true, force: true });
    mkdirSync(directory, { recursive: true });
    // of `local`, QEMU itself writes there, as the guest's user
    chmodSync(directory, 0o777);
    for (let written = 0; written < mib; written++) appendFileSync(join(directory, 'bench-data'), noise);
  }
  chmodSync(lab.pathFromHere(closed), 0o700);
}

/** As Apply starts it; its console is read from here, so that waiting costs the host nothing. */
async function confinedRun(host: BenchHost, guest: GuestDesired): Promise<string> {
  const link = new Fleet({ holder: 'benchmark' });
  try {
    const at = targetOf(host);
    const wish: HostWish = { ...wishOf(host, 0), guests: [guest] };
    const seen = value(await link.observe(at, [], wishedSources(wish)));
    const { results, snapshot } = value(await link.write(at, value(planHost(wish, seen)).operations));
    const bad = results.find(({ status }) => status !== 'same' && status !== 'changed');
    if (bad !== undefined) throw new Error(`${bad.id}: ${bad.message ?? ''}`);
    proven(guest, value(snapshot).evidence.get(guest.name));
    return await consoleOf(host.lab, guest.name);
  } finally {
    await link.close();
    await stopByCore(host, [guest.name], { everything: false });
  }
}

function proven({ name, shares }: GuestDesired, evidence: GuestEvidence | undefined): void {
  const helpers = evidence?.helpers ?? [];
  const layers = [evidence?.layers ?? [], ...helpers.map((helper) => helper.layers)];
  const bad = layers.flatMap((of) => notAsExpected(of));
  const expected = shares.filter(({ driver }) => driver !== 'local').length;
  if (layers.some((of) => of.length === 0) || helpers.length !== expected || bad.length > 0) {
    const what = bad.map(({ layer, state, observed }) => `${layer} ${state}: ${observed}`);
    throw new Error(`${name} is not isolated (${helpers.length} helpers): ${what.join('; ')}`);
  }
}

/** Until the guest has said that it is done. */
async function consoleOf(lab: LabHost, name: string): Promise<string> {
  const { logDirectory } = guestPlaces(name);
  for (let left = 900 * 2; left > 0; left--) {
    const said = ['serial.0', 'serial.1']
      .map((file) => readFileSync(lab.pathFromHere(`${logDirectory}/${file}`), 'latin1'))
      .join('');
    if (/^SHARE-DONE [0-9]+\r?\n/m.test(said)) return said;
    await sleep(500);
  }
  throw new Error(`${name} did not say that it was done`);
}

async function byHandRun(host: BenchHost, guest: GuestDesired): Promise<string> {
  return shareByHand(host.lab, await renderedByHand(host, guest));
}

async function renderedByHand(host: BenchHost, guest: GuestDesired): Promise<RenderedGuest> {
  const link = new Fleet({ holder: 'benchmark' });
  try {
    const { facts } = value(await link.observe(targetOf(host)));
    const capabilities = withQemu(capabilitiesFor(facts, fleet));
    if (capabilities === undefined) throw new Error('the host has no QEMU');
    return renderGuest(guest, capabilities);
  } finally {
    await link.close();
  }
}

export function showShareCosts(costs: readonly ShareCost[]): string {
  const rows = costs.flatMap((cost) => [
    row(`${cost.name}: read ${cost.mib} MiB`, cost, 'read'),
    row(`${cost.name}: create ${cost.files} files`, cost, 'create'),
  ]);
  return [
    `## Shared directories (${costs[0]?.confined.length ?? 0} pairs of guests each, guest's clock; medians, and the pairs' ratio)`,
    '| | confined | by hand | ratio | at most 1.05 |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
  ].join('\n');
}

function row(name: string, { confined, byHand }: ShareCost, key: keyof ShareTimes): string {
  const [ours, theirs] = [confined, byHand].map((runs) => runs.map((times) => times[key]));
  const text = (runs: readonly number[] = []) =>
    `${median(runs).toFixed(2)} s (${Math.min(...runs).toFixed(2)} to ${Math.max(...runs).toFixed(2)})`;
  const ratio = pairRatio(ours ?? [], theirs ?? []);
  const { mean, off } = ratio;
  const told = `${mean.toFixed(2)}${Number.isFinite(off) ? ` ± ${off.toFixed(2)}` : ''}`;
  return `| ${name} | ${text(ours)} | ${text(theirs)} | ${told} | ${verdict(ratio)} |`;
}

/** Of the pairs' ratios, and how far off it may be. */
interface PairRatio {
  readonly mean: number;
  readonly off: number;
}

/**
 * The two of a pair met the same machine, so each pair has a ratio of its own. Which guest has the first turns matters on some machines: two
 * pairs, one each way, count as one. The geometric mean and its standard error.
 */
function pairRatio(ours: readonly number[], theirs: readonly number[]): PairRatio {
  const each = ours.map((time, index) => Math.log(time / (theirs[index] ?? Number.NaN)));
  const both = each.flatMap((one, index) => (index % 2 === 0 ? [(one + (each[index + 1] ?? one)) / 2] : []));
  const middle = both.reduce((sum, one) => sum + one, 0) / both.length;
  const squares = both.reduce((sum, one) => sum + (one - middle) ** 2, 0);
  const mean = Math.exp(middle);
  const off =
    both.length < 2 ? Number.POSITIVE_INFINITY : mean * Math.sqrt(squares / (both.length - 1) / both.length);
  return { mean, off };
}

function verdict({ mean, off }: PairRatio): string {
  const word = mean <= target ? 'met' : `MISSED by ${((mean / target - 1) * 100).toFixed(0)} %`;
  return Math.abs(mean - target) < 2 * off ? `${word}, as far as so few pairs can tell` : word;
}
