import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { guestUnit } from '../../provider/model/paths.ts';
import { sh } from '../../provider/model/shell.ts';
import { layersWithoutXl } from '../../provider/model/evidence.ts';
import { xenStates } from '../container-host.ts';
import { waitingKernel } from '../lab/guest/standstill.ts';
import { snapshotMachine } from '../lab/machine-snapshot.ts';
import { compareSnapshots, type HostSnapshot } from '../lab/snapshot.ts';
import { useXenHost } from '../lab/vitest.ts';
import { stillKernel } from './core.fixture.ts';
import { Preparation } from './preparation.fixture.ts';
import { type Configuration, hostEntry, Workspace } from './terraform.fixture.ts';

const running = useXenHost();

/** A host of Xen's with a guest whose user it shares with others. */
function configuration(): Configuration {
  return {
    provider: { stockade: { fleet: 'fleet-1', hosts: { xen1: hostEntry(running.host) } } },
    resource: {
      stockade_host: { xen1: { name: 'xen1', toolstack: 'xl' } },
      stockade_qemu_users: { xen1: { host: '${stockade_host.xen1.id}', scheme: 'shared' } },
      stockade_guest: {
        web1: {
          host: '${stockade_qemu_users.xen1.host}',
          users: '${stockade_qemu_users.xen1.id}',
          name: 'web1',
          memory_mib: 64,
          kernel: { host_file: stillKernel },
          isolation: { may_be_missing: layersWithoutXl },
          shutdown_timeout_seconds: 30,
        },
      },
    },
    data: {
      stockade_guest_evidence: {
        web1: {
          host: '${stockade_guest.web1.host}',
          guest: '${stockade_guest.web1.name}',
          generation: '${stockade_guest.web1.generation}',
        },
      },
    },
  };
}

const ids = {
  'stockade_host.xen1': 'xen1',
  'stockade_qemu_users.xen1': 'xen1/shared',
  'stockade_guest.web1': 'xen1/web1',
};

interface Evidence {
  readonly running: boolean;
  readonly layers: Readonly<Record<string, { readonly state: string }>>;
  readonly processes: readonly { readonly boot_id: string }[];
}

let before: HostSnapshot;
/** What Xen's own service for guests does at boot. */
const xendomains = sh`/etc/default/xendomains`;

beforeAll(async () => {
  await running.host.write(stillKernel, waitingKernel());
  before = await snapshotMachine(running.host);
});

describe('users of guests on a Xen host', () => {
  it('are all 32,751 made in one step, in seconds, and leave nothing behind', async () => {
    const one = new Preparation(running.host, 'test', 'xl');
    await one.prepare();
    const [made] = await one.makeUsers({ lastDomid: 32_751 });
    const count = sh`grep -c '^xen-qemuuser-domid' /etc/passwd || :`;
    expect([made?.status, (await running.host.run(count)).trim()]).toEqual(['changed', '32751']);
    const [gone] = await one.removeUsers();
    expect([gone?.status, (await running.host.run(count)).trim()]).toEqual(['changed', '0']);
    await one.unprepare();
    await one.session.close();
    expect(compareSnapshots(before, await snapshotMachine(running.host))).toEqual([]);
    console.log(`32,751 users made in ${made?.milliseconds} ms, removed in ${gone?.milliseconds} ms`);
  });
});

describe('a guest of xl with a shared user', () => {
  let workspace: Workspace;
  let other: Workspace;
  const evidence = async (of: Workspace) =>
    (await of.state('data.stockade_guest_evidence.web1')) as unknown as Evidence;
  const states = ({ layers }: Evidence) =>
    Object.fromEntries(Object.entries(layers).map(([layer, { state }]) => [layer, state]));

  beforeAll(async () => {
    workspace = await Workspace.make(configuration());
    other = await Workspace.make(configuration());
  });
  afterAll(() => {
    workspace.remove();
    other.remove();
  });

  it('is made, with every layer that libxl gives', async () => {
    await workspace.apply();
    expect(states(await evidence(workspace))).toEqual(xenStates);
  });

  it('is imported as it is', async () => {
    for (const [address, id] of Object.entries(ids))
      await other.succeed('import', '-input=false', address, id);
    const { exitCode, output } = await other.plan();
    expect([exitCode, output]).toEqual([0, expect.anything()]);
  });

  it('comes back when its host reboots, of itself and as it was', async () => {
    const [first] = (await evidence(workspace)).processes;
    // else it would take away what it had saved
    await running.host.run(
      sh`grep -q '^XENDOMAINS_RESTORE=' ${xendomains}; sed -i.kept 's/^XENDOMAINS_RESTORE=.*/XENDOMAINS_RESTORE=false/' ${xendomains}`,
    );
    await running.host.reboot();
    const active = await running.host.run(['systemctl', 'is-active', guestUnit('web1')]);
    expect(active.trim()).toBe('active');
    // powered off before xendomains could save it
    expect(await running.host.run(sh`find /var/lib/xen/save /etc/xen/auto -type f 2>/dev/null || :`)).toBe(
      '',
    );
    await running.host.run(sh`mv ${xendomains}.kept ${xendomains}`);
    expect(await other.apply()).toContain('Resources: 0 added, 0 changed, 0 destroyed.');
    const now = await evidence(other);
    expect(states(now)).toEqual(xenStates);
    expect(now.processes[0]?.boot_id).not.toBe(first?.boot_id);
  });

  it('is destroyed, and leaves nothing', async () => {
    await other.destroy();
    expect(compareSnapshots(before, await snapshotMachine(running.host))).toEqual([]);
  });
});
