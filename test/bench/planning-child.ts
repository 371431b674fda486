/** Plans so many guests once upon simulated observations, in a process of its own: `planning-child.ts GUESTS`. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expand, type HostIntent } from '../../provider/cli/expand.ts';
import { planIntent } from '../../provider/cli/planning.ts';
import { everything } from '../../provider/cli/selection.ts';
import { markdownPlan } from '../../provider/cli/views/plan-markdown.ts';
import { humanPlan } from '../../provider/cli/views/plan-human.ts';
import { reportOf } from '../../provider/cli/views/report.ts';
import { plain } from '../../provider/cli/views/style.ts';
import type { HostSnapshot } from '../../provider/engine/snapshot.ts';
import { LocalFiles } from '../../provider/executor/local-files.ts';
import type { Result } from '../../provider/model/diagnostic.ts';
import { readDefinitions } from '../../provider/spec/yaml/read.ts';
import { fleetTexts } from './fleet-texts.ts';
import { simulatedHost } from './simulated-host.ts';

const changedOutOf = 10;

function must<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(JSON.stringify(result.diagnostics.slice(0, 3)));
  return result.value;
}

/** One guest in ten had less memory before. */
function observed(intent: HostIntent): HostSnapshot {
  return simulatedHost(intent.wish, (guest, index) =>
    index % changedOutOf === 0 ? { ...guest, memoryMib: guest.memoryMib - 64 } : guest,
  );
}

async function plan(guests: number): Promise<{ readonly ms: number; readonly restarts: number }> {
  const texts = fleetTexts(guests);
  const start = performance.now();
  const definitions = must(readDefinitions(texts));
  const intents = must(await expand(definitions, new LocalFiles(), { selection: everything }));
  const prepared = performance.now();
  // not counted: hosts make their observations themselves
  const seen = intents.map((intent) => ({ intent, snapshot: observed(intent) }));
  const planning = performance.now();
  const hosts = seen.map(({ intent, snapshot }) => ({
    ...{ host: snapshot.host, target: intent.target, intent, basis: {} },
    ...must(planIntent(intent, definitions.fleet.fleet, snapshot)),
  }));
  const report = reportOf({ fleet: definitions.fleet.fleet, hosts, failures: [], warnings: [] });
  humanPlan(report, plain, { details: false });
  markdownPlan(report);
  const ms = performance.now() - planning + (prepared - start);
  return { ms, restarts: report.counts.restart };
}

const folder = mkdtempSync(join(tmpdir(), 'stockade-bench-plan-'));
process.chdir(folder);
for (const name of ['vmlinuz', 'initrd.img']) writeFileSync(name, name);
const guests = Number(process.argv[2]);
// what compiles at first use is no matter of size
await plan(100);
const { ms, restarts } = await plan(guests);
rmSync(folder, { recursive: true, force: true });
if (restarts !== guests / changedOutOf) throw new Error(`${restarts} guests restart`);
process.send?.({ ms, peakMib: process.resourceUsage().maxRSS / 1024 });
