import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ShellText } from '../../provider/model/shell.ts';
import type { LabHost } from '../lab/lab.ts';
import { compareSnapshots, type HostSnapshot, snapshotHost } from '../lab/snapshot.ts';
import { useLab } from '../lab/vitest.ts';
import { type Configuration, hostEntry, inventory, stack, Workspace } from './terraform.fixture.ts';

const lab = useLab({ hosts: 2, name: 'tf-hosts' });
const workspaces: Workspace[] = [];
let snapshots: ReadonlyMap<LabHost, HostSnapshot>;
let [h1, h2]: (LabHost | undefined)[] = [];

function host(which: LabHost | undefined): LabHost {
  if (which === undefined) throw new Error('the lab has fewer hosts');
  return which;
}

async function makeWorkspace(configuration: Configuration): Promise<Workspace> {
  const workspace = await Workspace.make(configuration);
  workspaces.push(workspace);
  return workspace;
}

async function asBefore(which: LabHost): Promise<readonly string[]> {
  const before = snapshots.get(which);
  return before === undefined ? ['no snapshot'] : compareSnapshots(before, await snapshotHost(which));
}

const activeGuests = (which: LabHost) =>
  which.run(
    ShellText.unsafelyFromProgramText(
      "systemctl list-units --plain --no-legend --state=active 'stockade-guest@*' | cut -d' ' -f1",
    ),
  );

beforeAll(async () => {
  [h1, h2] = lab.hosts;
  snapshots = new Map(
    await Promise.all(lab.hosts.map(async (one) => [one, await snapshotHost(one)] as const)),
  );
});
afterAll(() => {
  for (const workspace of workspaces) workspace.remove();
});

describe('two applies at once on one host', () => {
  it('come from two states: neither stops the other', async () => {
    const both = await Promise.all(
      ['fleet-1', 'fleet-2'].map(async (fleet, index) =>
        makeWorkspace(await stack({ hosts: inventory(host(h1)), fleet, guests: [`a${index}`, `b${index}`] })),
      ),
    );
    await Promise.all(both.map((workspace) => workspace.apply()));
    expect((await activeGuests(host(h1))).trim().split('\n')).toHaveLength(4);
    const leases = await Promise.all(
      both.map((workspace, index) => workspace.state(`stockade_guest.a${index}`)),
    );
    expect(new Set(leases.map(({ uid }) => uid)).size).toBe(2);
    for (const workspace of both) expect(await workspace.plan()).toMatchObject({ exitCode: 0 });
    await Promise.all(both.map((workspace) => workspace.destroy()));
    expect(await asBefore(host(h1))).toEqual([]);
  });

  it('come from two provider aliases in one state', async () => {
    const one = await stack({ hosts: inventory(host(h1)), fleet: 'fleet-1', guests: ['a1', 'a2', 'a3'] });
    const other = await stack({ hosts: inventory(host(h1)), fleet: 'fleet-2', guests: ['b1', 'b2', 'b3'] });
    const workspace = await makeWorkspace(aliased(one, other));
    await workspace.apply();
    expect((await activeGuests(host(h1))).trim().split('\n')).toHaveLength(6);
    expect(await workspace.plan()).toMatchObject({ exitCode: 0 });
    await workspace.destroy();
    expect(await asBefore(host(h1))).toEqual([]);
  });
});

interface Evidence {
  readonly running: boolean;
  readonly layers: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

type Resources = Readonly<Record<string, Readonly<Record<string, Configuration>>>>;

/** Both configurations in one, the second under the provider alias `other`. */
function aliased(one: Configuration, other: Configuration): Configuration {
  const second = Object.entries(other['resource'] as Resources).map(([type, instances]) => [
    type,
    Object.fromEntries(
      Object.entries(instances).map(([name, body]) => [
        `other-${name}`,
        {
          ...(JSON.parse(JSON.stringify(body).replaceAll('.h1.', '.other-h1.')) as object),
          provider: 'stockade.other',
        },
      ]),
    ),
  ]) as [string, Record<string, Configuration>][];
  const resource = Object.fromEntries(
    second.map(([type, instances]) => [type, { ...(one['resource'] as Resources)[type], ...instances }]),
  );
  const providers = [one, other].map(
    (each) => (each['provider'] as Record<string, Configuration>)['stockade'],
  );
  return { provider: { stockade: [providers[0], { ...providers[1], alias: 'other' }] }, resource };
}

describe('a host and its guests taken out of the code in one commit', () => {
  it('are destroyed, though the inventory does not know the host any more', async () => {
    const workspace = await makeWorkspace(await stack({ hosts: inventory(host(h1), host(h2)) }));
    await workspace.apply();
    workspace.write(await stack({ hosts: inventory(host(h1)), longNames: true }));
    const { actions } = await workspace.plan();
    expect(actions).toEqual({
      'stockade_host.h2': 'delete',
      'stockade_qemu_users.h2': 'delete',
      'stockade_guest.h2-web1': 'delete',
    });
    await workspace.apply();
    expect(await asBefore(host(h2))).toEqual([]);
    expect((await activeGuests(host(h1))).trim()).toBe('stockade-guest@web1.service');
    await workspace.destroy();
    expect(await asBefore(host(h1))).toEqual([]);
  });
});

describe('an inventory that depends on other resources', () => {
  it('is planned before it is known, and then applied', async () => {
    const address = host(h1).address;
    const configuration = await stack({
      hosts: {
        h1: hostEntry(host(h1), {
          address: '${terraform_data.machine.output}',
          host_key: '${terraform_data.key.output}',
        }),
      },
    });
    const resource = configuration['resource'] as Configuration;
    const workspace = await makeWorkspace({
      ...configuration,
      resource: {
        ...resource,
        terraform_data: { machine: { input: address }, key: { input: host(h1).hostPublicKey } },
      },
    });
    expect((await workspace.plan()).actions).toMatchObject({ 'stockade_guest.web1': 'create' });
    await workspace.apply();
    expect(await workspace.plan()).toMatchObject({ exitCode: 0 });
    await workspace.destroy();
    expect(await asBefore(host(h1))).toEqual([]);
  });
});

/** With the evidence of each host's guest, as the guides have it. */
function withEvidence(configuration: Configuration): Configuration {
  const guests = Object.keys((configuration['resource'] as Resources)['stockade_guest'] ?? {});
  const evidence = guests.map((key) => {
    const guest = `stockade_guest.${key}`;
    const of = (name: string) => `\${${guest}.${name}}`;
    return [key, { host: of('host'), guest: of('name'), generation: of('generation') }];
  });
  return { ...configuration, data: { stockade_guest_evidence: Object.fromEntries(evidence) as object } };
}

describe('a host that dies for good', () => {
  let workspace: Workspace;
  const both = () => inventory(host(h1), host(h2));
  const quick = (hosts: Configuration): Configuration =>
    Object.fromEntries(
      Object.entries(hosts).map(([name, entry]) => [
        name,
        { ...(entry as object), connect_timeout_seconds: 3 },
      ]),
    );

  beforeAll(async () => {
    workspace = await makeWorkspace(withEvidence(await stack({ hosts: quick(both()) })));
    await workspace.apply();
    host(h2).cutPower();
  });

  it('is named by the plan, with what to do', async () => {
    const { exitCode, output } = await workspace.plan();
    expect(exitCode).toBe(1);
    expect(output).toMatch(/host h2 \(.*port 22\)/);
    expect(output).not.toMatch(/host h1 \(/);
  });

  it('does not stop the plan of the others where its state is kept', async () => {
    workspace.write(
      await stack({ hosts: quick(both()), provider: { unreachable: 'keep' }, guest: { memory_mib: 160 } }),
    );
    const { exitCode, actions, output } = await workspace.plan('-target=stockade_guest.h1-web1');
    expect({ exitCode, actions }, output).toEqual({
      exitCode: 2,
      actions: { 'stockade_guest.h1-web1': 'update' },
    });
    workspace.write(withEvidence(await stack({ hosts: quick(both()), provider: { unreachable: 'keep' } })));
    await host(h1).run(['systemctl', 'stop', 'stockade-guest@web1.service']);
    const healing = await workspace.plan();
    expect(healing.actions).toEqual({
      'stockade_guest.h1-web1': 'update',
      'data.stockade_guest_evidence.h1-web1': 'read',
    });
    expect(healing.output).toContain('what is on h2 is kept as it was last seen');
    await workspace.apply();
    expect(await workspace.plan()).toMatchObject({ exitCode: 0 });
  });

  it('is no proof of anything', async () => {
    const evidence = async (guest: string) =>
      (await workspace.state(`data.stockade_guest_evidence.${guest}`)) as unknown as Evidence;
    const alive = await evidence('h1-web1');
    expect(alive.running).toBe(true);
    const dead = await evidence('h2-web1');
    expect(dead.running).toBe(false);
    expect(Object.keys(dead.layers)).toEqual(Object.keys(alive.layers));
    for (const layer of Object.values(dead.layers)) {
      expect(layer).toMatchObject({ state: 'unproven', observed: 'the host does not answer' });
    }
  });

  it('is not said to be destroyed', async () => {
    const said = await workspace.fail(
      'destroy',
      '-input=false',
      '-auto-approve',
      '-target=stockade_guest.h2-web1',
    );
    expect(said).toContain('guest web1 on h2 was not removed');
    expect(said).toContain('docs/guides/dead-host.md');
    expect(await workspace.addresses()).toContain('stockade_guest.h2-web1');
  });

  it('is let go of in the code', async () => {
    const rest = await stack({ hosts: quick(both()), provider: { unreachable: 'keep' } });
    const resource = rest['resource'] as Resources;
    const kept = Object.fromEntries(
      Object.entries(resource).map(([type, instances]) => [
        type,
        Object.fromEntries(Object.entries(instances).filter(([name]) => !name.startsWith('h2'))),
      ]),
    );
    const forget = ['stockade_guest.h2-web1', 'stockade_qemu_users.h2', 'stockade_host.h2'];
    workspace.write({
      ...rest,
      resource: kept,
      removed: forget.map((from) => ({ from, lifecycle: { destroy: false } })),
    });
    await workspace.apply();
    expect(await workspace.addresses()).toEqual([
      'stockade_guest.h1-web1',
      'stockade_host.h1',
      'stockade_qemu_users.h1',
    ]);
    workspace.write({
      ...rest,
      provider: { stockade: { fleet: 'fleet-1', hosts: inventory(host(h1)) } },
      resource: kept,
    });
    expect(await workspace.plan()).toMatchObject({ exitCode: 0 });
    await workspace.destroy();
    expect(await asBefore(host(h1))).toEqual([]);
  });
});
