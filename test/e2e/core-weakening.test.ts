import { expect, it } from 'vitest';
import type { HostPlan } from '../../provider/engine/plan.ts';
import type { Result } from '../../provider/model/diagnostic.ts';
import { useLab } from '../lab/vitest.ts';
import { Core, placeKernels } from './core.fixture.ts';

const lab = useLab({ hosts: 1, name: 'core-weakening' });

function said(planned: Result<HostPlan>) {
  if (!planned.ok) throw new Error(planned.diagnostics.map(({ summary }) => summary).join('; '));
  const guest = planned.value.changes.find(({ address }) => address.kind === 'guest');
  return {
    action: guest?.action,
    isolation: guest?.isolation,
    warnings: planned.warnings.map(({ code }) => code),
  };
}

it("a host's plan says what its guests lose and gain, and what QEMU says of them, until nothing is to be done", async () => {
  placeKernels(lab.host);
  const core = new Core(lab.host);
  const weak = core.wish([
    {
      ...core.guest('db1'),
      network: 'user',
      isolation: { off: ['net-namespace'], mayBeMissing: [], hostDevMounts: false },
    },
  ]);
  const isolation = {
    losses: [{ what: 'network namespace', path: ['isolation', 'off'] }],
    gains: [{ what: 'user-mode network', path: ['network'] }],
    regained: [],
    dropped: [],
  };
  const warnings = ['tcg-no-guarantee', 'user-network'];
  expect(said(await core.plan(weak))).toMatchObject({ action: 'create', isolation, warnings });
  await core.apply(weak);
  expect(said(await core.plan(weak))).toEqual({ action: 'noop', isolation: undefined, warnings: [] });
  const whole = core.wish([core.guest('db1')]);
  expect(said(await core.plan(whole))).toMatchObject({
    action: 'restart',
    isolation: { losses: [], gains: [], regained: isolation.losses, dropped: isolation.gains },
    warnings: ['tcg-no-guarantee'],
  });
  await core.leave(['db1']);
});
