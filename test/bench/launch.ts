import { planHost } from '../../provider/engine/plan.ts';
import { Fleet } from '../../provider/executor/fleet.ts';
import { guestPlaces } from '../../provider/jail/places.ts';
import { type SwitchableLayer, switchableLayers } from '../../provider/model/evidence.ts';
import { lines, sh, type ShellText, word, words } from '../../provider/model/shell.ts';
import { renderGuest, withQemu } from '../../provider/resources/guest/render.ts';
import { capabilitiesFor } from '../../provider/resources/host/facts.ts';
import { fleet, guestOf, prepareByCore, stopByCore, targetOf, value, wishOf } from './core.ts';
import type { BenchHost } from './host.ts';
import { median } from './measure.ts';

/** A guest that is started over and over again, and the layers that it does without. */
interface Candidate {
  readonly name: string;
  readonly off: readonly SwitchableLayer[];
}

/** What starting one guest takes: from the first instruction of its launcher to its monitor's answer that it runs. */
export interface LaunchCost {
  /** The same QEMU with the same arguments, started by a shell, as root. Unit: ms, one per run, as everywhere here. */
  readonly bare: readonly number[];
  /** What no definition can switch off: user, capabilities, open files, and the launcher itself. */
  readonly least: readonly number[];
  readonly everything: readonly number[];
  readonly layers: readonly LayerCost[];
}

interface LayerCost {
  readonly layer: SwitchableLayer;
  /** Everything but this layer (and what stands on it). */
  readonly without: readonly number[];
  /** The least, this layer and those before it. */
  readonly upTo: readonly number[];
}

/** More a guest than bare QEMU. Unit: ms. */
const target = 40;

/** systemd applies these or nobody does: the launcher has no part in them. */
const notTheLaunchers: readonly SwitchableLayer[] = ['cgroup-limits', 'lsm'];
const layers = switchableLayers.filter((layer) => !notTheLaunchers.includes(layer));
const standsOn: Readonly<Partial<Record<SwitchableLayer, SwitchableLayer>>> = {
  'mount-namespace': 'private-dev',
  'no-new-privs': 'seccomp',
};

export async function launchCost(host: BenchHost, runs: number): Promise<LaunchCost> {
  const candidates: readonly Candidate[] = [
    { name: 'everything', off: [] },
    { name: 'least', off: layers },
    ...layers.map((layer) => ({ name: `without-${layer}`, off: withDependants(layer) })),
    ...layers.map((layer, index) => ({ name: `up-to-${layer}`, off: layers.slice(index + 1) })),
  ];
  await prepareByCore(host);
  try {
    const bare = await place(host, candidates);
    const script = roundOf(candidates, bare);
    const times = new Map<string, number[]>();
    // the first round finds nothing in memory yet
    for (let round = -1; round < runs; round++) {
      const said = await host.lab.run(script, { timeoutSeconds: 120 });
      for (const line of round < 0 ? [] : said.trim().split('\n')) {
        const [name = '', micros = ''] = line.split(' ');
        times.set(name, [...(times.get(name) ?? []), Number(micros) / 1000]);
      }
    }
    const of = (name: string) => times.get(name) ?? [];
    return {
      bare: of('bare'),
      least: of('least'),
      everything: of('everything'),
      layers: layers.map((layer) => ({
        layer,
        without: of(`without-${layer}`),
        upTo: of(`up-to-${layer}`),
      })),
    };
  } finally {
    await stopByCore(
      host,
      candidates.map(({ name }) => name),
      { everything: true },
    );
  }
}

function withDependants(layer: SwitchableLayer): readonly SwitchableLayer[] {
  const dependant = standsOn[layer];
  return dependant === undefined ? [layer] : [layer, dependant];
}

/** Records, leases and launchers of all of them, nothing started; returns what bare QEMU is started with. */
async function place(host: BenchHost, candidates: readonly Candidate[]): Promise<ShellText> {
  const link = new Fleet({ holder: 'benchmark' });
  try {
    const at = targetOf(host);
    const seen = value(await link.observe(at));
    const guests = candidates.map(({ name, off }) =>
      guestOf(host, name, { isolation: { off, mayBeMissing: [], hostDevMounts: false } }),
    );
    const { operations } = value(planHost({ ...wishOf(host, 0), guests }, seen));
    const { results } = value(
      await link.write(
        at,
        operations.filter(({ id }) => !id.endsWith(': start')),
      ),
    );
    const bad = results.find(({ status }) => status !== 'same' && status !== 'changed');
    if (bad !== undefined) throw new Error(`${bad.id}: ${bad.message ?? ''}`);
    const capabilities = withQemu(capabilitiesFor(seen.facts, fleet));
    const [everything] = guests;
    if (capabilities === undefined || everything === undefined) throw new Error('the host has no QEMU');
    const { plan } = renderGuest(everything, capabilities);
    return words([plan.qemuBinary, ...plan.qemuArguments]);
  } finally {
    await link.close();
  }
}

/**
 * One start of each, one after the other: NAME MICROSECONDS. The monitor's FIFOs are there, with a question in them that QEMU
 * answers once it has dropped its privileges and runs the guest. Ends by itself where the answer stays away.
 */
function roundOf(candidates: readonly Candidate[], bare: ShellText): ShellText {
  const { runDirectory } = guestPlaces('everything');
  const launch = (name: string) => {
    const places = guestPlaces(name);
    return sh`measure ${word(name)} ${word(places.runDirectory)} ${word(places.launcher)} run`;
  };
  return sh`measure() {
  name=$1 run=$2
  shift 2
  mkdir -p -m 0700 "$run"
  for fifo in "$run/qmp.in" "$run/qmp.out"; do [ -p "$fifo" ] || mkfifo -m 0600 "$fifo"; done
  exec 8<>"$run/qmp.in" 9<>"$run/qmp.out"
  printf '%s\\n' '{"execute":"qmp_capabilities"}' '{"execute":"query-status"}' >&8
  before=$(date +%s%N)
  "$@" 3>>/run/bench-serial </dev/null >/run/bench-errors 2>&1 8>&- 9>&- &
  main=$!
  while IFS= read -r answer <&9; do
    case $answer in *'"status": "running"'*) break ;; esac
  done
  after=$(date +%s%N)
  echo "$name $(((after - before) / 1000))"
  exec 8>&- 9>&-
  children=
  read -r children <"/proc/$main/task/$main/children" || :
  kill -KILL $children $([ "$name" != bare ] || echo $main)
  wait $main || :
  # the kernel takes namespaces down afterwards
  sleep 0.1
} 2>/dev/null
(sleep 100; kill $$) >/dev/null 2>&1 &
watchdog=$!
measure bare ${word(runDirectory)} ${bare}
${lines(candidates.map(({ name }) => launch(name)))}
kill $watchdog`;
}

export function showLaunchCost({ bare, least, everything, layers: each }: LaunchCost): string {
  const [none, all, start] = [median(bare), median(everything), median(least)];
  const share = (time: number) => `${time.toFixed(1)} ms, ${(time / none).toFixed(2)}`;
  let before = start;
  const rows = each.map(({ layer, without, upTo }) => {
    const now = median(upTo);
    const line = `| ${layer} | ${signed(now - before)} | ${share(now)} | ${signed(all - median(without))} |`;
    before = now;
    return line;
  });
  const more = all - none;
  const met = more <= target ? 'met' : `MISSED by ${(more - target).toFixed(1)} ms`;
  return [
    `## Start to running, one guest (${bare.length} runs, medians; times of bare QEMU)`,
    '| | adds | so far | all but this one saves |',
    '| --- | --- | --- | --- |',
    `| bare QEMU, as root | | ${share(none)} | |`,
    `| launcher, user, capabilities, open files | ${signed(start - none)} | ${share(start)} | |`,
    ...rows,
    `| everything | | ${share(all)} | |`,
    `target: at most ${target} ms more than bare QEMU: ${more.toFixed(1)} ms: ${met}`,
  ].join('\n');
}

function signed(milliseconds: number): string {
  return `${milliseconds < 0 ? '-' : '+'}${Math.abs(milliseconds).toFixed(1)} ms`;
}
