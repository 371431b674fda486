import { afterEach, describe, expect, it } from 'vitest';
import { applyHosts } from '../../../provider/cli/applying.ts';
import type { FleetPlan } from '../../../provider/cli/planning.ts';
import type { SshTarget } from '../../../provider/connect/target.ts';
import { Fleet } from '../../../provider/executor/fleet.ts';
import type { Operation } from '../../../provider/model/operation.ts';
import { sh } from '../../../provider/model/shell.ts';
import { plannedHost } from '../../cli-plans.ts';

let link: Fleet;
afterEach(() => link.close());

const guest = { kind: 'guest', host: 'hv1', name: 'web1' } as const;

/** Nobody listens there. */
const silent: SshTarget = {
  ...{ connection: 'ssh2', host: 'hv1', address: '127.0.0.1', port: 1, user: 'root' },
  ...{ trust: { kind: 'pinned', publicKeys: [] }, identities: [], sudo: false, connectTimeoutSeconds: 5 },
};

function planned(): FleetPlan {
  link = new Fleet({ holder: 'a test', session: { retry: { attempts: 1 } } });
  const change = { address: guest, action: 'create', disruption: 'none', reasons: [] } as const;
  const step: Operation = {
    ...{ id: 'guest web1 on hv1: record', address: guest, needs: [] },
    step: { kind: 'own', body: sh`true` },
  };
  const host = { ...plannedHost('hv1', [change]), target: silent, operations: [step] };
  return { fleet: 'prod', hosts: [host], failures: [], warnings: [] };
}

describe('an apply', () => {
  it('that cannot work on a host has failed: nobody asked to stop', async () => {
    const outcome = await applyHosts(planned(), { link, parallelism: 1 });
    expect(outcome).toMatchObject({ ok: false, stopped: false });
    expect(outcome.hosts[0]?.objects).toEqual([{ address: guest, state: 'not-begun' }]);
    expect(outcome.hosts[0]?.diagnostics).toMatchObject([{ severity: 'error' }]);
  });

  it('that is stopped before it began has done nothing, and says nothing of hosts', async () => {
    const signal = AbortSignal.abort();
    const outcome = await applyHosts(planned(), { link, parallelism: 1, signal });
    expect(outcome).toMatchObject({ ok: false, stopped: true });
    expect(outcome.hosts[0]).toMatchObject({ objects: [{ state: 'not-begun' }], diagnostics: [] });
    expect(link.counters().size).toBe(0);
  });

  it('without anything to do is well', async () => {
    const outcome = await applyHosts(
      { ...planned(), hosts: [plannedHost('hv1', [])] },
      { link, parallelism: 1 },
    );
    expect(outcome).toEqual({ hosts: [], ok: true, stopped: false });
  });
});
