import type { ProbedHost } from '../probing.ts';
import { terminalLine } from './escape.ts';
import type { Style } from './style.ts';

/** What probes have shown, a line per host; with `details` one for each probe. */
export function humanProbes(
  hosts: readonly ProbedHost[],
  style: Style,
  { details }: { readonly details: boolean },
): string {
  return hosts
    .flatMap(({ host, report }) => {
      if (report === undefined) return [`${terminalLine(host)}: ${style.red('could not be probed')}`];
      const count = (wanted: string) => report.results.filter(({ outcome }) => outcome === wanted).length;
      const through = report.results.filter(
        ({ outcome, accepted }) => outcome === 'got-through' && !accepted,
      );
      const counts = `${report.results.length} probes: ${count('stopped')} stopped, ${through.length} got through, ${count('unproven')} prove nothing`;
      return [
        `${terminalLine(host)}: ${through.length > 0 ? style.red(counts) : style.green(counts)}`,
        ...(details ? report.results : through).map(({ name, outcome, layer, observed, tries }) =>
          terminalLine(`  ${name} ${outcome} (${layer}; ${observed}): ${tries}`),
        ),
      ];
    })
    .map((line) => `${line}\n`)
    .join('');
}
