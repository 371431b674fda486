import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { guestUnit } from '../../provider/model/paths.ts';
import { layersOf } from '../../scripts/demo/evidence-table.ts';
import { Quickstart, quickstartSettings } from '../../scripts/demo/quickstart.ts';
import { watchSerial } from '../../scripts/demo/serial.ts';
import { buildGuestImage } from '../lab/guest/image.ts';
import { guestBanner } from '../lab/guest/init.ts';
import { compareSnapshots, type HostSnapshot, snapshotHost } from '../lab/snapshot.ts';
import { useLab } from '../lab/vitest.ts';
import { builtProvider } from './terraform.fixture.ts';
import { containerStates } from '../container-host.ts';

describe('the quickstart through the cdktf command line, without a registry', () => {
  const using = useLab({ hosts: 1, name: 'quickstart' });
  let quickstart: Quickstart;
  let before: HostSnapshot;

  beforeAll(async () => {
    await builtProvider();
    before = await snapshotHost(using.host);
    quickstart = new Quickstart(quickstartSettings(using.host, await buildGuestImage()));
  });
  afterAll(() => {
    quickstart.remove();
  });

  it('plain cdktf deploy makes the guest', async () => {
    const deployed = await quickstart.cdktf(['deploy', '--auto-approve']);
    expect(deployed.lines.join('\n')).toContain(
      'Apply complete! Resources: 3 added, 0 changed, 0 destroyed.',
    );
    expect(deployed.exitCode).toBe(0);
    const active = await using.host.run(['systemctl', 'is-active', guestUnit('web1')]);
    expect(active.trim()).toBe('active');
  });

  it('the provider and the lock file are in the stack folder', () => {
    const lock = readFileSync(path.join(quickstart.stackFolder, '.terraform.lock.hcl'), 'utf8');
    expect(lock).toMatch(/stockade\/stockade" \{\n {2}version {5}= "\d+\.\d+\.\d+"\n/);
    expect(existsSync(path.join(quickstart.stackFolder, 'terraform.d/plugins'))).toBe(true);
  });

  it('the guest boots', async () => {
    expect(await watchSerial(using.host, guestBanner, () => undefined)).toBe(true);
  });

  it('every layer is proven from the live processes', async () => {
    const layers = layersOf(await quickstart.state());
    expect(layers.length).toBeGreaterThan(0);
    expect(Object.fromEntries(layers.map(({ layer, state }) => [layer, state]))).toEqual(containerStates);
  });

  it('a second plan has no changes', async () => {
    const plan = await quickstart.terraform(['plan', '-input=false', '-detailed-exitcode']);
    expect([plan.exitCode, plan.lines.filter((line) => line.startsWith('No changes.')).length]).toEqual([
      0, 1,
    ]);
  });

  it('a second deploy, which synthesizes anew, changes nothing', async () => {
    const deployed = await quickstart.cdktf(['deploy', '--auto-approve']);
    expect(deployed.lines.join('\n')).toContain('Resources: 0 added, 0 changed, 0 destroyed.');
    expect(deployed.exitCode).toBe(0);
  });

  it('cdktf destroy leaves the host as it was', async () => {
    const destroyed = await quickstart.cdktf(['destroy', '--auto-approve']);
    expect(destroyed.lines.join('\n')).toContain('Destroy complete! Resources: 3 destroyed.');
    expect(destroyed.exitCode).toBe(0);
    expect(compareSnapshots(before, await snapshotHost(using.host))).toEqual([]);
  });
});
