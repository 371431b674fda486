import { expect, it } from 'vitest';
import { importedDefinition } from '../../../provider/cli/importing.ts';
import type { HostSnapshot } from '../../../provider/engine/snapshot.ts';
import type { HostOwner } from '../../../provider/resources/host/facts.ts';
import { readDefinitions } from '../../../provider/spec/yaml/read.ts';

const owner: HostOwner = { generation: 1, digest: '', qemuBinary: undefined, toolstack: 'qemu' };

it.each<[string, Partial<HostOwner>, object]>([
  ['as it is found', {}, {}],
  ['with a QEMU of choice', { qemuBinary: '/opt/qemu' }, { qemuBinary: '/opt/qemu' }],
  ['with guests of xl', { toolstack: 'xl' }, { toolstack: 'xl' }],
])('a host %s is imported as it was prepared', (_what, change, fragment) => {
  const snapshot = { facts: { owners: new Map([['prod', { ...owner, ...change }]]) } };
  const imported = importedDefinition(
    { kind: 'host', host: 'hv1', name: 'hv1' },
    'prod',
    snapshot as unknown as HostSnapshot,
  );
  expect(imported).toMatchObject({ ok: true, value: { hosts: { hv1: fragment } } });
  if (!imported.ok) return;
  expect(imported.value).toEqual({ hosts: { hv1: fragment } });
  const reached = { address: 'a', hostKey: 'ssh-ed25519 AAAA', agent: true };
  const text = JSON.stringify({ fleet: 'prod', hosts: { hv1: { ...reached, ...fragment } } });
  expect(readDefinitions([{ name: 'x.yaml', text }])).toMatchObject({
    ok: true,
    value: { hosts: [{ name: 'hv1', ...fragment }] },
  });
});
