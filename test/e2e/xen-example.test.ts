import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Settings } from '../../examples/xen/settings.ts';
import { Quickstart } from '../../scripts/demo/quickstart.ts';
import { containerStates, xenStates } from '../container-host.ts';
import { waitingKernel } from '../lab/guest/standstill.ts';
import type { TestHost } from '../lab/test-host.ts';
import { useLab, useXenHost } from '../lab/vitest.ts';
import { builtProvider } from './terraform.fixture.ts';

const entry = (host: TestHost): Settings['hosts']['hv1'] => ({
  address: host.address,
  port: host.port,
  hostKey: host.hostPublicKeys[0] ?? '',
  privateKeyFile: host.keyFile,
});

describe('one Xen host and one QEMU host, through the cdktf command line', () => {
  const lab = useLab({ hosts: 1, name: 'xen-example' });
  const xen = useXenHost();
  const files = mkdtempSync(join(tmpdir(), 'stockade-xen-'));
  let example: Quickstart;

  beforeAll(async () => {
    await builtProvider();
    const kernel = join(files, 'kernel');
    writeFileSync(kernel, waitingKernel());
    const settings: Settings = {
      hosts: { hv1: entry(lab.host), xen1: entry(xen.host) },
      accelerator: 'tcg',
      kernel,
    };
    example = new Quickstart(settings, 'xen');
  });
  afterAll(() => {
    example.remove();
    rmSync(files, { recursive: true, force: true });
  });

  it('cdktf deploy makes the same guest on both, and the evidence says what each has', async () => {
    const deployed = await example.cdktf(['deploy', '--auto-approve']);
    expect(deployed.lines.join('\n')).toContain('Resources: 6 added, 0 changed, 0 destroyed.');
    expect(deployed.exitCode).toBe(0);
    const shown = await example.terraform(['output', '-json', 'isolation']);
    expect(JSON.parse(shown.lines.join('\n'))).toEqual({ hv1: containerStates, xen1: xenStates });
    expect(await xen.host.run(['xl', 'list'])).toMatch(/^web1 /m);
  });

  it('a second plan has no changes', async () => {
    const plan = await example.terraform(['plan', '-input=false', '-detailed-exitcode']);
    expect([plan.exitCode, plan.lines.filter((line) => line.startsWith('No changes.')).length]).toEqual([
      0, 1,
    ]);
  });

  it('cdktf destroy takes all away', async () => {
    const destroyed = await example.cdktf(['destroy', '--auto-approve']);
    expect(destroyed.lines.join('\n')).toContain('Destroy complete! Resources: 6 destroyed.');
    expect(await xen.host.run(['xl', 'list'])).not.toContain('web1');
    expect((await xen.host.exec(['test', '-e', '/var/lib/stockade'])).exitCode).toBe(1);
  });
});
