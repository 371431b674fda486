import { describe, expect, it } from 'vitest';
import { commandTimeout, connectionLost } from '../../../provider/connect/diagnostics.ts';
import { isSilent } from '../../../provider/executor/diagnostics.ts';
import { layerNames } from '../../../provider/model/evidence.ts';
import { problem } from '../../../provider/model/diagnostic.ts';
import { FleetHosts } from '../../../provider/terraform/hosts.ts';
import { guestEvidenceSource } from '../../../provider/terraform/sources/guest-evidence.ts';
import { hostFactsSource } from '../../../provider/terraform/sources/host-facts.ts';
import { isObject } from '../../../provider/tfplugin/types.ts';

const context = {
  log: { trace() {}, debug() {}, info() {}, warn() {}, error() {} },
  signal: new AbortController().signal,
  terraformVersion: undefined,
};

describe('a data source whose host cannot be known while planning', () => {
  // As before Terraform has configured it: nothing is known of any host.
  const hosts = new FleetHosts();

  it('shows nothing as proven, and warns', async () => {
    const config = { host: 'h1', guest: 'web1', generation: 2 };
    const { state, diagnostics } = await guestEvidenceSource(hosts).read(
      { config, providerMeta: null },
      context,
    );
    expect(state).toMatchObject({ ...config, running: false, taken_at: null, processes: [] });
    expect(state).toMatchObject({ isolated: false, proven: false });
    const layers = isObject(state) && isObject(state['layers'] ?? null) ? state['layers'] : null;
    expect(Object.keys(layers ?? {})).toEqual([...layerNames]);
    for (const layer of Object.values(layers ?? {})) expect(layer).toMatchObject({ state: 'unproven' });
    expect(diagnostics).toEqual([
      expect.objectContaining({
        severity: 'warning',
        summary: 'how to reach host h1 is not known yet: nothing was looked at',
      }),
    ]);
  });

  it('knows no facts', async () => {
    const { state, diagnostics } = await hostFactsSource(hosts).read(
      { config: { host: 'h1' }, providerMeta: null },
      context,
    );
    expect(state).toMatchObject({ host: 'h1', qemu: null, kernel: null, guests: null });
    expect(diagnostics).toHaveLength(1);
  });
});

describe('a host counts as silent', () => {
  it('where the connection is lost or a command never ends, and not where it answers wrongly', () => {
    expect(isSilent([connectionLost('h1', '')])).toBe(true);
    expect(isSilent([commandTimeout('h1', 60, '')])).toBe(true);
    expect(isSilent([problem('login-refused', 'no')])).toBe(false);
    expect(isSilent([commandTimeout('h1', 60, ''), problem('host-key-changed', 'other')])).toBe(false);
    expect(isSilent([])).toBe(false);
  });
});
