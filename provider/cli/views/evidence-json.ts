import type { HostEvidence } from '../evidence.ts';
import type { ProbedHost } from '../probing.ts';
import { diagnosticJson } from './diagnostics-json.ts';
import { asciiJson } from './json.ts';

/** All that guests show, with the raw lines it rests on. */
export function evidenceJson(hosts: readonly HostEvidence[], probed: readonly ProbedHost[]): string {
  return asciiJson({
    format: 'stockade-evidence 1',
    hosts: hosts.map(({ host, guests, diagnostics }) => ({
      host,
      guests: guests.map(({ problems, ...rest }) => ({ ...rest, problems: problems.map(diagnosticJson) })),
      diagnostics: diagnostics.map(diagnosticJson),
    })),
    ...(probed.length === 0
      ? {}
      : {
          probes: probed.map(({ host, report, diagnostics }) => ({
            ...{
              host,
              qemuVersion: report?.qemuVersion,
              kernel: report?.kernel,
              results: report?.results ?? [],
            },
            diagnostics: diagnostics.map(diagnosticJson),
          })),
        }),
  });
}
