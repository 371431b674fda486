import { bounded } from '../executor/bounded.ts';
import type { Fleet } from '../executor/fleet.ts';
import { type ProbeReport, runProbes } from '../executor/probes.ts';
import { targetOf } from '../executor/targets.ts';
import { caution, type Diagnostic } from '../model/diagnostic.ts';
import type { Definitions } from '../spec/definitions.ts';
import type { Selection } from './selection.ts';

/** What came of probing one host. */
export interface ProbedHost {
  readonly host: string;
  /** `undefined`: the probes could not be run, and `diagnostics` says why. */
  readonly report: ProbeReport | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

/** Probes the selected hosts, side by side: canaries there try what an attacker would, inside the jail and, as a control, without it. */
export async function probeHosts(
  { fleet: { fleet, hosts: inventory }, hosts }: Definitions,
  selection: Selection,
  { link, parallelism }: { readonly link: Fleet; readonly parallelism: number },
): Promise<readonly ProbedHost[]> {
  const concerned = hosts.filter(({ name }) => selection.wantsHost(name));
  return bounded(concerned, parallelism, async ({ name: host, probes }) => {
    const entry = inventory[host];
    if (entry === undefined) throw new Error(`host ${host} is not in the inventory`);
    const { control = true } = probes ?? {};
    const probed = await runProbes(link, targetOf(host, entry), { fleet, control });
    return probed.ok
      ? { host, report: probed.value, diagnostics: probed.value.diagnostics }
      : { host, report: undefined, diagnostics: probed.diagnostics };
  });
}

/** Definitions may ask for probes whenever a text changes: whether it has, only Terraform's state remembers. */
export function probesNotRun({ hosts }: Definitions, selection: Selection): readonly Diagnostic[] {
  const asked = hosts
    .filter(({ name, probes }) => probes !== undefined && selection.wantsHost(name))
    .map(({ name }) => name);
  if (asked.length === 0) return [];
  return [
    caution('probes-not-run', `probes are not run by apply: ${asked.join(', ')}`, {
      detail: 'They run when the text in `probes` changes, and nothing remembers here what it was.',
      hint: 'Run them with `stockade evidence --probe`.',
    }),
  ];
}
