import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type SwitchableLayer, switchableLayers } from '../../provider/model/evidence.ts';
import { containerStates } from '../container-host.ts';
import { useLab } from '../lab/vitest.ts';
import { Core, placeKernels } from './core.fixture.ts';
import { ends } from './preparation.fixture.ts';

/** Layers that cannot stand without the one that is switched off. */
const along: Readonly<Partial<Record<SwitchableLayer, readonly SwitchableLayer[]>>> = {
  'mount-namespace': ['private-dev'],
  'no-new-privs': ['seccomp'],
};

describe('a layer that is switched off', () => {
  const lab = useLab({ hosts: 1, name: 'layers-off' });
  let core: Core;
  beforeAll(() => {
    placeKernels(lab.host);
    core = new Core(lab.host);
  });
  afterAll(() => core.link.close());

  it('is off, says so, and leaves all others as they are', async () => {
    const cases = switchableLayers.map((layer) => [layer, [layer, ...(along[layer] ?? [])]] as const);
    const guests = cases.map(([layer, off]) =>
      core.guest(`no-${layer}`, { isolation: { off, mayBeMissing: [], hostDevMounts: false } }),
    );
    const { results, snapshot } = await core.apply(core.wish(guests));
    expect(ends(results).filter((end) => !/^(same|changed) /.test(end))).toEqual([]);
    for (const [layer, off] of cases) {
      const layers = snapshot.evidence.get(`no-${layer}`)?.layers ?? [];
      const expected = Object.entries(containerStates).map(([name, state]) => [
        name,
        (off as readonly string[]).includes(name) ? 'off' : state,
      ]);
      const shown = layers.map((one) => [one.layer, one.state]);
      expect([layer, shown]).toEqual([layer, expected]);
    }
    // off is more than a word: the host's namespaces and no filter are what the kernel shows
    const model = (layer: SwitchableLayer): number =>
      snapshot.evidence.get(`no-${layer}`)?.processes.find(({ role }) => role === 'device-model')?.pid ?? 0;
    const kinds = { ipc: 'ipc', uts: 'uts', net: 'net', pid: 'pid', cgroup: 'cgroup', mount: 'mnt' } as const;
    for (const [word, kind] of Object.entries(kinds)) {
      const [own, host] = (
        await lab.host.run([
          'readlink',
          `/proc/${model(`${word}-namespace` as SwitchableLayer)}/ns/${kind}`,
          `/proc/1/ns/${kind}`,
        ])
      )
        .trim()
        .split('\n');
      expect([kind, own]).toEqual([kind, host]);
    }
    const status = await lab.host.run(['cat', `/proc/${model('no-new-privs')}/status`]);
    expect(status).toMatch(/^NoNewPrivs:\t0$/m);
    expect(status).toMatch(/^Seccomp:\t0$/m);
    const removed = await core.leave(guests.map(({ name }) => name));
    expect(ends(removed).filter((end) => !/^(same|changed) /.test(end))).toEqual([]);
  });
});
