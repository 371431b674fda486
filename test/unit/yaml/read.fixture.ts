import type { Diagnostic } from '../../../provider/model/diagnostic.ts';
import type { Definitions } from '../../../provider/spec/definitions.ts';
import { readDefinitions } from '../../../provider/spec/yaml/read.ts';

/** A fleet of one host, to which tests add. */
export const fleetText = `fleet: prod
hosts:
  hv1: {address: hv1.example.org, hostKey: ssh-ed25519 AAAA, privateKeyFile: keys/deploy}
users:
  - host: hv1
    lastDomid: 32
`;

/** Reads texts as files `a.yaml`, `b.yaml`, …; the first is the fleet. */
export function read(...texts: readonly string[]) {
  return readDefinitions(
    [fleetText, ...texts].map((text, index) => ({
      name: `defs/${String.fromCharCode(97 + index)}.yaml`,
      text,
    })),
  );
}

export function definitions(...texts: readonly string[]): Definitions {
  const result = read(...texts);
  if (!result.ok) throw new Error(`refused:\n${result.diagnostics.map(shown).join('\n')}`);
  return result.value;
}

/** `a.yaml:3:5 guests.web.memoryMib is required`, one for each problem. */
export function problems(...texts: readonly string[]): readonly string[] {
  const result = read(...texts);
  return result.ok ? [] : result.diagnostics.map(shown);
}

export function shown({ source, summary, hint }: Diagnostic): string {
  const place =
    source === undefined ? '?' : `${source.file.replace('defs/', '')}:${source.line}:${source.column}`;
  return `${place} ${summary}${hint === undefined ? '' : ` | ${hint}`}`;
}
