/** Plans so many guests once upon simulated observations, in a process of its own: `planning-child.ts GUESTS`. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expand, type HostIntent } from '../../provider/cli/expand.ts';
import { type PlannedHost, planIntent } from '../../provider/cli/planning.ts';
import { everything } from '../../provider/cli/selection.ts';
import { markdownPlan } from '../../provider/cli/views/plan-markdown.ts';
import { humanPlan } from '../../provider/cli/views/plan-human.ts';
import { reportOf } from '../../provider/cli/views/report.ts';
import { plain } from '../../provider/cli/views/style.ts';
import { basisOf } from '../../provider/engine/basis.ts';
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

/** What parts of the work took together, and how much of a processor. Unit: milliseconds. */
class Meter {
  ms = 0;
  cpuMs = 0;

  async of<T>(work: () => T | Promise<T>): Promise<T> {
    const [start, before] = [performance.now(), process.cpuUsage()];
    const made = await work();
    const { user, system } = process.cpuUsage(before);
    this.ms += performance.now() - start;
    this.cpuMs += (user + system) / 1000;
    return made;
  }
}

async function plan(guests: number): Promise<{ readonly meter: Meter; readonly restarts: number }> {
  const texts = fleetTexts(guests);
  const meter = new Meter();
  const definitions = must(await meter.of(() => readDefinitions(texts)));
  const { fleet } = definitions.fleet;
  const intents = must(
    await meter.of(() => expand(definitions, new LocalFiles(), { selection: everything })),
  );
  // not counted: hosts make their observations themselves
  const seen = intents.map((intent) => ({ intent, snapshot: observed(intent) }));
  const report = await meter.of(() => {
    const hosts = seen.map(({ intent, snapshot }) => plannedHost(intent, fleet, snapshot));
    const shown = reportOf({ fleet, hosts, failures: [], warnings: [] });
    humanPlan(shown, plain, { details: false });
    markdownPlan(shown);
    return shown;
  });
  return { meter, restarts: report.counts.restart };
}

function plannedHost(intent: HostIntent, fleet: string, snapshot: HostSnapshot): PlannedHost {
  const planned = must(planIntent(intent, fleet, snapshot));
  const changed = planned.changes.filter(({ action }) => action !== 'noop');
  const basis = basisOf(intent.wish, changed, snapshot);
  return { host: snapshot.host, target: intent.target, intent, basis, ...planned };
}

const folder = mkdtempSync(join(tmpdir(), 'stockade-bench-plan-'));
process.chdir(folder);
for (const name of ['vmlinuz', 'initrd.img']) writeFileSync(name, name);
const guests = Number(process.argv[2]);
// what compiles at first use is no matter of size
await plan(100);
const { meter, restarts } = await plan(guests);
rmSync(folder, { recursive: true, force: true });
if (restarts !== guests / changedOutOf) throw new Error(`${restarts} guests restart`);
const peakMib = process.resourceUsage().maxRSS / 1024;
process.send?.({ ms: meter.ms, cpuMs: meter.cpuMs, peakMib });
