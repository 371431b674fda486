import { describe, expect, it } from 'vitest';
import { evidence, facts, plan, probe } from '../../../provider/cli/library.ts';
import type { Diagnostic, Result } from '../../../provider/model/diagnostic.ts';
import type { Definitions } from '../../../provider/spec/definitions.ts';
import { readDefinitions } from '../../../provider/spec/yaml/read.ts';

function definitions(): Definitions {
  const text = `
fleet: prod
hosts: { hv1: { address: a, hostKey: ssh-ed25519 AAAA, agent: true, probes: { run: "1" } } }
users: [{ host: hv1 }]
guests: { web1: { host: hv1, memoryMib: 64, kernel: { hostFile: /boot/k } } }
`;
  const read = readDefinitions([{ name: 'x.yaml', text }]);
  if (!read.ok) throw new Error(read.diagnostics[0]?.summary);
  return read.value;
}

const codes = (result: Result<unknown>) =>
  (result.ok ? result.warnings : result.diagnostics).map(({ code }: Diagnostic) => code);

/** No host is like it, so none is asked. */
const misspelt = { limit: ['prdo*'] };

describe('a pattern that names nothing', () => {
  it.each([
    ['plan', plan],
    ['probe', probe],
    ['facts', facts],
  ] as const)('is told by %s, with nothing else: no host was meant', async (_name, look) => {
    const seen = await look(definitions(), misspelt);
    expect(seen.ok).toBe(true);
    expect(codes(seen)).toEqual(['pattern-idle']);
  });

  it('makes evidence fail: it would be green for ever', async () => {
    const seen = await evidence(definitions(), misspelt);
    expect(seen.ok).toBe(false);
    expect(codes(seen)).toEqual(['pattern-idle', 'nothing-selected']);
    expect(codes(await evidence(definitions(), { exclude: ['*'] }))).toEqual(['nothing-selected']);
  });
});

it.each([
  ['plan', plan],
  ['evidence', evidence],
  ['probe', probe],
  ['facts', facts],
] as const)('%s takes no bad pattern', async (_name, look) => {
  expect(codes(await look(definitions(), { limit: ['$(id)'] }))).toEqual(['bad-pattern']);
});
