import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sh, ShellText, word } from '../../provider/model/shell.ts';
import { standstillKernel } from '../lab/guest/standstill.ts';
import { compareSnapshots, type HostSnapshot, snapshotHost } from '../lab/snapshot.ts';
import { useLab } from '../lab/vitest.ts';
import { type Configuration, flat, inventory, stack, Workspace } from './terraform.fixture.ts';

const lab = useLab({ hosts: 1, name: 'tf-gates' });
const first = 'stockade_guest.first';
const second = 'stockade_guest.second';
const gate = 'stockade_gate.between';
/** Without a look at the hosts before: what was broken meanwhile is for the gate to find. */
const unrefreshed = ['-input=false', '-auto-approve', '-refresh=false'] as const;
let workspace: Workspace;
let before: HostSnapshot;

const onHost = (text: string) => lab.host.run(ShellText.unsafelyFromProgramText(text));

interface Change {
  readonly gate?: Configuration;
  readonly first?: Configuration;
}

/** Two guests whose processors stand still, and a gate between them. */
async function configured(change: Change = {}): Promise<Configuration> {
  const kernel = join(workspace.folder, 'still');
  writeFileSync(kernel, standstillKernel());
  const guest = { memory_mib: 64, kernel: { file: kernel }, initrd: null };
  const whole = await stack({ hosts: inventory(lab.host), guests: ['first', 'second'], guest });
  const resource = whole['resource'] as Readonly<Record<string, Readonly<Record<string, Configuration>>>>;
  return {
    ...whole,
    resource: {
      ...resource,
      stockade_guest: {
        first: { ...resource['stockade_guest']?.['first'], ...change.first },
        second: { ...resource['stockade_guest']?.['second'], depends_on: [gate] },
      },
      // the guest itself: Terraform takes of it what the gate asks for
      stockade_gate: { between: { guests: [`\${${first}}`], ...change.gate } },
    },
  };
}

/** The uid and the device model of the first guest, as the host numbers them. */
async function firstOnHost(): Promise<{ readonly uid: number; readonly qemu: number }> {
  const { uid } = await workspace.state(first);
  const found = await lab.host.run(sh`pgrep --uid ${Number(uid)} --oldest`);
  return { uid: Number(uid), qemu: Number(found) };
}

/** A process of the guest's own user beside its device model: the layer `user` is ineffective while it runs. Returns what ends it. */
async function intruder(): Promise<() => Promise<unknown>> {
  const { uid } = await firstOnHost();
  const started = await lab.host.run(
    sh`setsid setpriv --reuid=${uid} --regid=${uid} --clear-groups sleep 900 </dev/null >/dev/null 2>&1 &
until [ "$(cat /proc/$!/comm)" = sleep ]; do kill -0 $! || exit; sleep 0.05; done
echo $!`,
  );
  return () => lab.host.run(sh`kill ${Number(started)}`);
}

const secondOnHost = async () =>
  (await onHost('ls /var/lib/stockade/guests /etc/systemd/system | grep -c second || :')) !== '0\n';

/** What Terraform says of a resource, by place in what it printed. */
const at = (output: string, text: string) => {
  const place = output.indexOf(text);
  expect(place, `${text} in:\n${output}`).toBeGreaterThanOrEqual(0);
  return place;
};

beforeAll(async () => {
  before = await snapshotHost(lab.host);
  workspace = await Workspace.make(await stack({ hosts: inventory(lab.host), guests: [] }));
});
afterAll(() => workspace.remove());

describe('a gate between two guests', () => {
  it('is planned where nothing of them is known yet', async () => {
    workspace.write(await configured());
    expect((await workspace.plan()).actions).toMatchObject({ [gate]: 'create', [second]: 'create' });
  });

  it('lets the second come up once the isolation of the first is seen to hold', async () => {
    const output = await workspace.apply();
    const passed = at(output, `${gate}: Creation complete`);
    expect(at(output, `${first}: Creation complete`)).toBeLessThan(at(output, `${gate}: Creating`));
    expect(passed).toBeLessThan(at(output, `${second}: Creating`));
    const { guests, opened_at: openedAt } = await workspace.state(gate);
    expect(guests).toEqual([{ host: 'h1', name: 'first', generation: 1 }]);
    expect(Date.now() - Date.parse(String(openedAt))).toBeLessThan(600_000);
  });

  it('is no change afterwards, nor where it would wait longer', async () => {
    expect(await workspace.plan()).toMatchObject({ exitCode: 0 });
    workspace.write(await configured({ gate: { timeout_seconds: 600 } }));
    const { opened_at: openedAt } = await workspace.state(gate);
    expect((await workspace.plan()).differences).toEqual([`${gate} timeout_seconds: 300 -> 600`]);
    await workspace.apply();
    expect((await workspace.state(gate))['opened_at']).toBe(openedAt);
  });

  it('is passed anew in each apply that changes the first guest', async () => {
    const { opened_at: openedAt } = await workspace.state(gate);
    workspace.write(await configured({ first: { memory_mib: 72 } }));
    expect((await workspace.plan()).actions).toEqual({ [first]: 'update', [gate]: 'delete,create' });
    const output = await workspace.apply();
    expect(at(output, `${first}: Modifications complete`)).toBeLessThan(at(output, `${gate}: Creating`));
    const { guests, opened_at: now } = await workspace.state(gate);
    expect(guests).toMatchObject([{ generation: 2 }]);
    expect(Date.parse(String(now))).toBeGreaterThan(Date.parse(String(openedAt)));
    expect(await workspace.plan()).toMatchObject({ exitCode: 0 });
  });

  it('is passed anew where the first guest is replaced, though it is of the same generation again', async () => {
    await workspace.destroy('-target', gate, '-target', first);
    await workspace.apply();
    await workspace.succeed('taint', first);
    const { opened_at: openedAt } = await workspace.state(gate);
    expect((await workspace.plan()).actions).toEqual({ [first]: 'delete,create', [gate]: 'delete,create' });
    await workspace.apply();
    const { guests, opened_at: now } = await workspace.state(gate);
    expect(guests).toMatchObject([{ generation: 1 }]);
    expect(now).not.toBe(openedAt);
    expect(await workspace.plan()).toMatchObject({ exitCode: 0 });
  });
});

describe('a first guest whose isolation does not hold', () => {
  beforeAll(async () => {
    workspace.write(await configured({ gate: { timeout_seconds: 4 } }));
    // a change of the first guest that is still to be made would heal it on the way
    await workspace.apply('-target', first);
    await workspace.destroy('-target', second, '-target', gate);
    expect(await secondOnHost()).toBe(false);
  });

  const shut = async (why: string) => {
    const said = await workspace.fail('apply', ...unrefreshed);
    expect(said).toContain(
      'Error: the gate stays shut: 1 of 1 guests did not show the isolation they were asked for within 4 s',
    );
    expect(said).toContain(why);
    expect(said).toContain('What to do:');
    expect(said).toContain('What waits for the gate was left as it was.');
    expect(await workspace.addresses()).not.toContain(gate);
    expect(await workspace.addresses()).not.toContain(second);
    expect(await secondOnHost()).toBe(false);
  };

  it('is waited for, and passes once it does', async () => {
    workspace.write(await configured({ gate: { timeout_seconds: 240 } }));
    const end = await intruder();
    const running = workspace.start('apply', ...unrefreshed);
    await running.until(`${gate}: Still creating`, 'stdout');
    expect(running.child.exitCode, running.stderr).toBeNull();
    expect(await secondOnHost()).toBe(false);
    await end();
    expect(await running.ended, running.stderr).toBe(0);
    expect(await workspace.addresses()).toEqual(expect.arrayContaining([gate, second]));
    await workspace.destroy('-target', second, '-target', gate);
    workspace.write(await configured({ gate: { timeout_seconds: 4 } }));
  });

  it('keeps the gate shut by a layer broken behind its back, and the second guest is not made', async () => {
    await intruder();
    await shut('guest first on h1: user is ineffective');
  });

  it('ends its wait at once with ctrl-C', async () => {
    workspace.write(await configured({ gate: { timeout_seconds: 3600 } }));
    const running = workspace.start('apply', ...unrefreshed);
    await running.until(`${gate}: Still creating`, 'stdout');
    const began = Date.now();
    running.child.kill('SIGINT');
    expect(await running.ended).toBe(1);
    expect(Date.now() - began).toBeLessThan(20_000);
    expect(flat(running.stderr)).toContain('Error: the gate was not waited for: Terraform was interrupted');
    expect(await workspace.addresses()).not.toContain(second);
    expect(await secondOnHost()).toBe(false);
  });

  it('is healed by an apply that looks, and the gate is passed after that', async () => {
    workspace.write(await configured({ gate: { timeout_seconds: 60 } }));
    expect((await workspace.plan()).actions).toEqual({
      [first]: 'update',
      [gate]: 'create',
      [second]: 'create',
    });
    const output = await workspace.apply();
    expect(at(output, `${first}: Modifications complete`)).toBeLessThan(at(output, `${gate}: Creating`));
    expect(await workspace.plan()).toMatchObject({ exitCode: 0 });
  });

  it('keeps the gate shut where its device model was killed', async () => {
    workspace.write(await configured({ gate: { timeout_seconds: 4 } }));
    await workspace.destroy('-target', second, '-target', gate);
    const { qemu } = await firstOnHost();
    await lab.host.run(sh`kill -KILL ${qemu}
while systemctl is-active --quiet ${word('stockade-guest@first.service')}; do sleep 0.1; done`);
    await shut('guest first on h1: no running device model was found to prove its isolation on');
    await workspace.apply();
    expect(await workspace.plan()).toMatchObject({ exitCode: 0 });
  });
});

describe('a gate', () => {
  it('cannot be imported: nothing of it is on a host', async () => {
    await workspace.succeed('state', 'rm', gate);
    const said = await workspace.fail('import', '-input=false', gate, 'h1/first');
    expect(said).toContain('Error: a stockade_gate cannot be imported: there is nothing of it on a host');
    expect(said).toContain('What to do: Let Terraform create it.');
  });

  it('waits for no host that is not in the inventory: an error of the plan', async () => {
    const guests = [{ host: 'h9', name: 'first', generation: 1 }];
    workspace.write(await configured({ gate: { guests } }));
    const { exitCode, output } = await workspace.plan();
    expect(exitCode).toBe(1);
    expect(output).toContain('Error: host "h9" is not in the inventory');
    expect(output).toContain('with stockade_gate.between');
  });

  it('needs a guest', async () => {
    workspace.write(await configured({ gate: { guests: [] } }));
    expect((await workspace.plan()).output).toMatch(/guests is too small/);
  });

  it('goes with all the rest', async () => {
    workspace.write(await configured());
    await workspace.apply();
    await workspace.destroy();
    expect(compareSnapshots(before, await snapshotHost(lab.host))).toEqual([]);
  });
});
