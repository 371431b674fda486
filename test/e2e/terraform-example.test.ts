import { cpSync, existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compareSnapshots, type HostSnapshot, snapshotHost } from '../lab/snapshot.ts';
import { useLab } from '../lab/vitest.ts';
import { flat, guestFiles, hostEntry, Workspace } from './terraform.fixture.ts';
import { containerStates } from '../container-host.ts';

const lab = useLab({ hosts: 1, name: 'tf-example' });
const example = resolve(import.meta.dirname, '../../examples/terraform');
let workspace: Workspace;
let before: HostSnapshot;

interface Outputs {
  readonly guests: { readonly value: Readonly<Record<string, unknown>> };
  readonly isolation: { readonly value: Readonly<Record<string, Readonly<Record<string, string>>>> };
}

describe('examples/terraform', () => {
  beforeAll(async () => {
    before = await snapshotHost(lab.host);
    const { kernel, initrd } = await guestFiles();
    workspace = await Workspace.make({});
    workspace.clear();
    cpSync(example, workspace.folder, { recursive: true });
    workspace.values({
      hosts: { h1: hostEntry(lab.host) },
      accelerator: 'tcg',
      kernel,
      initrd,
    });
    await workspace.succeed('init', '-input=false');
  });
  afterAll(() => workspace.remove());

  it('is formatted and valid', async () => {
    await workspace.succeed('fmt', '-check');
    await workspace.succeed('validate');
  });

  it('leaves no events file behind a plan', async () => {
    expect((await workspace.plan()).exitCode).toBe(2);
    expect(existsSync(join(workspace.folder, 'stockade-events.jsonl'))).toBe(false);
  });

  it('makes a guest and shows that every layer holds', async () => {
    await workspace.apply();
    const outputs = JSON.parse(await workspace.succeed('output', '-json')) as Outputs;
    expect(outputs.guests.value['h1']).toMatchObject({ domid: 1, state: 'running' });
    expect(outputs.isolation.value['h1']).toEqual(containerStates);
    expect(await workspace.plan()).toMatchObject({ exitCode: 0 });
  });

  it('has written its events, a line of JSON each', () => {
    const lines = readFileSync(join(workspace.folder, 'stockade-events.jsonl'), 'utf8').trimEnd().split('\n');
    const events = lines.map((line) => JSON.parse(line) as { type: string; host: string; text: string });
    expect(events.map(({ type }) => type)).toEqual(
      expect.arrayContaining(['connected', 'batch-started', 'operation-finished', 'batch-finished']),
    );
    expect(events.every(({ host }) => host === 'h1')).toBe(true);
    expect(events.map(({ text }) => text)).toContainEqual(expect.stringContaining('guest web1 on h1: start'));
  });

  it('is seen in the log, as structured lines', async () => {
    const { stderr } = await workspace.terraform('plan', '-input=false', '-out=plan', {
      TF_LOG: 'JSON',
    });
    const lines = stderr.split('\n').flatMap((line) => (line.includes('batch-finished') ? [line] : []));
    expect(lines).not.toEqual([]);
    const [first = ''] = lines;
    expect(JSON.parse(first)).toMatchObject({ event: 'batch-finished', host: 'h1', kind: 'read' });
  });

  it('names evidence by what processes cannot fake', async () => {
    const { processes, running } = await workspace.state('data.stockade_guest_evidence.web["h1"]');
    expect(running).toBe(true);
    const roles = (processes as { role: string; pid: number; executable_inode: number }[]).map(
      ({ role }) => role,
    );
    expect(roles).toEqual(expect.arrayContaining(['device-model', 'namespace-parent', 'logger']));
  });

  it('shows no change right after a dead guest was healed: evidence is taken anew', async () => {
    await lab.host.run([
      'systemctl',
      'kill',
      '--kill-whom=all',
      '--signal=KILL',
      'stockade-guest@web1.service',
    ]);
    for (let alive = true; alive; ) {
      alive =
        (await lab.host.exec(['systemctl', 'is-active', '--quiet', 'stockade-guest@web1.service']))
          .exitCode === 0;
    }
    expect((await workspace.plan()).exitCode).toBe(2);
    await workspace.apply();
    expect(await workspace.plan()).toMatchObject({ exitCode: 0 });
  });

  it('makes a guest that departs from full isolation, and says so', async () => {
    const departing = '-var=departures=true';
    const { output } = await workspace.plan(departing);
    expect(output).toContain(
      'Warning: guest db1 loses: network namespace, task limit of 97 (becomes 200); gains: user-mode network',
    );
    await workspace.apply(departing);
    const outputs = JSON.parse(await workspace.succeed('output', '-json')) as {
      readonly departing: { readonly value: unknown };
    };
    const layers = { 'net-namespace': 'off', 'cgroup-limits': 'unproven', lsm: 'missing' };
    expect(outputs.departing.value).toEqual({ h1: { isolated: true, layers } });
    expect(await workspace.plan(departing)).toMatchObject({ exitCode: 0 });
    await workspace.apply();
  });

  it('makes second guests after a gate', async () => {
    const second = '-var=second=true';
    const output = await workspace.apply(second);
    const passed = output.indexOf('stockade_gate.web[0]: Creation complete');
    expect(passed).toBeGreaterThan(0);
    expect(passed).toBeLessThan(output.indexOf('stockade_guest.second["h1"]: Creating'));
    expect(await workspace.plan(second)).toMatchObject({ exitCode: 0 });
    await workspace.apply();
  });

  it('leaves nothing behind', async () => {
    expect(flat(await workspace.destroy())).toContain('Destroy complete! Resources: 3 destroyed.');
    expect(compareSnapshots(before, await snapshotHost(lab.host))).toEqual([]);
  });
});

describe('the facts of a host', () => {
  it('are there before it is prepared, and say nothing of hosts that are not in the inventory', async () => {
    const facts = await Workspace.make({
      provider: { stockade: { fleet: 'fleet-1', hosts: { h1: hostEntry(lab.host) } } },
      data: { stockade_host_facts: { h1: { host: 'h1' } } },
    });
    await facts.apply();
    expect(await facts.state('data.stockade_host_facts.h1')).toMatchObject({
      qemu: { version: expect.stringMatching(/^\d+\.\d+/) as string, seccomp: true },
      supervisor: expect.stringMatching(/^systemd \d+$/) as string,
      fleets: [],
      guests: {},
    });
    facts.write({
      provider: { stockade: { fleet: 'fleet-1', hosts: {} } },
      data: { stockade_host_facts: { h1: { host: 'h1' } } },
    });
    expect(await facts.fail('plan', '-input=false')).toContain('host "h1" is not in the inventory');
    facts.remove();
  });
});
