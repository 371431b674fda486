import type { ApplyOutcome } from '../applying.ts';
import { diagnosticJson } from './diagnostics-json.ts';
import { asciiJson } from './json.ts';

/** The last line of an apply for programs. */
export function outcomeJson({ ok, stopped, hosts }: ApplyOutcome): string {
  return asciiJson({
    type: 'outcome',
    ...{ ok, stopped },
    hosts: hosts.map(({ host, objects, evidence, diagnostics }) => ({
      host,
      objects: objects.map(({ address, state }) => ({ ...address, state })),
      evidence,
      diagnostics: diagnostics.map(diagnosticJson),
    })),
  });
}
