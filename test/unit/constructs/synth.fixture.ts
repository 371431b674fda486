import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Testing, TerraformStack } from 'cdktf';
import { afterAll, expect } from 'vitest';
import { HypervisorHost, StockadeFleet, type StockadeFleetProps } from '../../../constructs/index.ts';

// cdktf's matchers are written for jest's global.
Object.assign(globalThis, { expect });
Testing.setupJest();

// An app makes its output directory at once, and cdktf leaves it.
const outdir = mkdtempSync(join(tmpdir(), 'stockade-synth-'));
afterAll(() => rmSync(outdir, { recursive: true }));

export const inventory: StockadeFleetProps['hosts'] = {
  hv1: { address: '192.0.2.1', hostKey: 'ssh-ed25519 AAAA', privateKeyFile: '/keys/deploy' },
};

/** An empty stack. */
export function emptyStack(): TerraformStack {
  return new TerraformStack(Testing.app({ outdir }), 'test');
}

/** A stack with a fleet of one host. */
export function stackWithHost() {
  const stack = emptyStack();
  const fleet = new StockadeFleet(stack, 'fleet', { fleet: 'prod', hosts: inventory });
  const host = new HypervisorHost(stack, 'hv1', { fleet });
  return { stack, fleet, host };
}

export interface Synthesized {
  readonly provider: { readonly stockade: readonly Readonly<Record<string, unknown>>[] };
  readonly resource: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, unknown>>>>>>;
  readonly data?: Synthesized['resource'];
  readonly output?: Readonly<Record<string, { readonly value: unknown }>>;
}

/** What is synthesized, without cdktf's own remarks. */
export function synthesized(stack: TerraformStack): Synthesized {
  return JSON.parse(Testing.synth(stack), (key, value: unknown) =>
    key === '//' ? undefined : value,
  ) as Synthesized;
}
