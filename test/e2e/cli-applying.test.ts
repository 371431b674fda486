import { existsSync, writeFileSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { applyHosts } from '../../provider/cli/applying.ts';
import type { FleetPlan } from '../../provider/cli/planning.ts';
import { Fleet } from '../../provider/executor/fleet.ts';
import type { Operation } from '../../provider/model/operation.ts';
import { sh } from '../../provider/model/shell.ts';
import { plannedHost } from '../cli-plans.ts';
import { makeGround, own } from './executor/fixture.ts';

const address = { kind: 'guest', host: 'here', name: 'web1' } as const;
const change = { address, action: 'create', disruption: 'none', reasons: [] } as const;

/** A plan of one guest on this machine, with steps of a test. */
function planOf(operations: readonly Operation[]): FleetPlan {
  return {
    fleet: 'prod',
    hosts: [{ ...plannedHost('here', [change]), operations }],
    failures: [],
    warnings: [],
  };
}

async function interrupted(steps: 1 | 2) {
  const ground = makeGround();
  const link = new Fleet({ holder: 'a test', roots: ground.roots });
  onTestFinished(() => link.close());
  const first = own(
    'guest web1 on here: record',
    sh`: >${ground.at('begun')}; until [ -e ${ground.at('go')} ]; do sleep 0.02; done; changed`,
  );
  const second = own('guest web1 on here: launcher', sh`: >${ground.at('wrong')}`, { needs: [first.id] });
  const stopper = new AbortController();
  const applying = applyHosts(planOf([first, second].slice(0, steps)), {
    ...{ link, parallelism: 1, signal: stopper.signal },
  });
  while (!existsSync(ground.path('begun'))) await new Promise((resolve) => setTimeout(resolve, 10));
  stopper.abort();
  // by then it was heard
  await link.stop();
  writeFileSync(ground.path('go'), '');
  return { ground, outcome: await applying };
}

test('ctrl-C inside the only guest: its running step ends, no more are begun, and that is a stop, not a failure', async () => {
  const { ground, outcome } = await interrupted(2);
  expect(outcome).toMatchObject({ ok: false, stopped: true, hosts: [{ diagnostics: [] }] });
  expect(outcome.hosts[0]?.objects).toEqual([{ address, state: 'interrupted' }]);
  expect(existsSync(ground.path('wrong'))).toBe(false);
});

test('ctrl-C inside its last step: it is done, so it is judged, and what ends it is not called off', async () => {
  const { outcome } = await interrupted(1);
  expect(outcome).toMatchObject({ ok: false, stopped: false });
  const codes = outcome.hosts[0]?.diagnostics.map(({ code }) => code);
  // it has no record, and nothing runs
  expect(codes).toContain('no-evidence');
  expect(codes).not.toContain('stopped');
});
