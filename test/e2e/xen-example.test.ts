import { rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sh } from '../../provider/model/shell.ts';
import { firstDefaultBase } from '../../provider/resources/qemu-users/uid-base.ts';
import { Quickstart } from '../../scripts/demo/quickstart.ts';
import { containerStates, xenStates } from '../container-host.ts';
import { waitingKernel } from '../lab/guest/standstill.ts';
import { snapshotMachine } from '../lab/machine-snapshot.ts';
import { compareSnapshots, type HostSnapshot, snapshotHost } from '../lab/snapshot.ts';
import type { TestHost } from '../lab/test-host.ts';
import { useLab, useXenHost } from '../lab/vitest.ts';
import { builtProvider, flat } from './terraform.fixture.ts';

const kernel = path.join(tmpdir(), `stockade-xen-kernel-${process.pid}`);
const entryOf = (host: TestHost) => ({
  address: host.address,
  port: host.port,
  hostKey: host.hostPublicKeys[0],
  privateKeyFile: host.keyFile,
});

interface Outputs {
  readonly isolation: { readonly value: { readonly hv1: object; readonly xen1: object } };
  readonly domid: { readonly value: { readonly hv1: number; readonly xen1: number } };
}

describe('examples/xen: a host of QEMU and one of Xen, through the cdktf command line', () => {
  const lab = useLab({ hosts: 1, name: 'xen-example' });
  const xen = useXenHost();
  let example: Quickstart;
  let before: readonly [hv1: HostSnapshot, xen1: HostSnapshot];
  const look = async () => [await snapshotHost(lab.host), await snapshotMachine(xen.host)] as const;
  const settings = (memoryMib: number) => ({
    hosts: { hv1: entryOf(lab.host), xen1: entryOf(xen.host) },
    accelerator: 'tcg',
    memoryMib,
    kernel,
  });
  const outputs = async () => JSON.parse((await example.terraform(['output', '-json'])).stdout) as Outputs;
  const plan = async () => {
    const { exitCode, lines } = await example.terraform(['plan', '-input=false', '-detailed-exitcode']);
    return { exitCode, text: flat(lines.join('\n')) };
  };

  beforeAll(async () => {
    await builtProvider();
    writeFileSync(kernel, waitingKernel());
    example = new Quickstart(settings(128), 'xen');
    before = await look();
  });
  afterAll(() => {
    example.remove();
    rmSync(kernel, { force: true });
  });

  it('is deployed, each guest with the layers that its toolstack gives', async () => {
    const deployed = await example.cdktf(['deploy', '--auto-approve']);
    expect(deployed.lines.join('\n')).toContain('Apply complete! Resources: 6 added');
    const { isolation } = await outputs();
    expect(isolation.value).toEqual({ hv1: containerStates, xen1: xenStates });
  });

  it('has nothing to change then', async () => {
    expect(await plan()).toMatchObject({ exitCode: 0 });
  });

  it('names who has a uid of the range in its plan', async () => {
    const uid = firstDefaultBase + 7;
    await xen.host.run(sh`useradd --no-create-home --uid ${uid} somebody`);
    const { exitCode, text } = await plan();
    await xen.host.run(['userdel', 'somebody']);
    expect([exitCode, text]).toEqual([
      1,
      expect.stringContaining(`uid ${uid} is wanted, but belongs to user somebody`),
    ]);
    expect(text).toContain('Choose another uid_base, or leave it out');
  });

  it('says that more memory means a restart, after which the domain has another number', async () => {
    const { domid } = await outputs();
    example.configure(settings(160));
    const diff = await example.cdktf(['diff']);
    const text = flat(diff.lines.join('\n'));
    for (const host of ['hv1', 'xen1']) {
      expect(text).toContain(`guest web1 on ${host} restarts: memory_mib 128 -> 160`);
    }
    // QEMU's guest keeps what it leased
    expect(text.match(/~ domid = \d+ -> \(known after apply\)/g)).toEqual([
      `~ domid = ${domid.value.xen1} -> (known after apply)`,
    ]);
    expect((await example.terraform(['apply', '-input=false', '-auto-approve'])).exitCode).toBe(0);
    const after = await outputs();
    expect(after.domid.value.hv1).toBe(domid.value.hv1);
    expect(after.domid.value.xen1).not.toBe(domid.value.xen1);
    expect(after.isolation.value).toEqual({ hv1: containerStates, xen1: xenStates });
    expect(await plan()).toMatchObject({ exitCode: 0 });
  });

  it('is destroyed, and leaves nothing on either host', async () => {
    const destroyed = await example.cdktf(['destroy', '--auto-approve']);
    expect(destroyed.lines.join('\n')).toContain('Destroy complete! Resources: 6 destroyed.');
    const after = await look();
    expect(compareSnapshots(before[0], after[0])).toEqual([]);
    expect(compareSnapshots(before[1], after[1])).toEqual([]);
  });
});
