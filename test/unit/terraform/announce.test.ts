import { describe, expect, it } from 'vitest';
import type { IsolationLine } from '../../../provider/model/change.ts';
import { guestAddress } from '../../../provider/resources/guest/desired.ts';
import { guestRemarks } from '../../../provider/terraform/kinds/guest-remarks.ts';
import { isolationNews } from '../../../provider/terraform/lifecycle/announce.ts';
import { type ObjectValue, UNKNOWN } from '../../../provider/tfplugin/types.ts';

const address = guestAddress({ host: 'hv1', name: 'db1' });
const line = (what: string, path: readonly string[], reason?: string): IsolationLine => ({
  what,
  meaning: `What follows from ${what}.`,
  path,
  ...(reason === undefined ? {} : { reason }),
});
const nothing = { losses: [], gains: [], regained: [], dropped: [] };
const network = line('network namespace', ['isolation', 'off']);
const device = line('/dev/vfio/12', ['devices']);

describe('what becomes of isolation', () => {
  it('is told in one line, with the meaning and source of each part below', () => {
    const seccomp = line('seccomp filter', ['isolation', 'mayBeMissing'], 'its QEMU has none');
    const [told] = isolationNews(address, { ...nothing, losses: [network, seccomp], gains: [device] });
    expect(told).toMatchObject({
      severity: 'warning',
      code: 'isolation-weaker',
      summary: 'guest db1 loses: network namespace, seccomp filter; gains: /dev/vfio/12',
      host: 'hv1',
      resource: 'guest db1 on hv1',
    });
    expect(told?.detail?.split('\n')).toEqual([
      'It loses network namespace (isolation.off): What follows from network namespace.',
      'It loses seccomp filter (isolation.may_be_missing; its QEMU has none): What follows from seccomp filter.',
      'It gains /dev/vfio/12 (devices): What follows from /dev/vfio/12.',
    ]);
  });

  it('is told where it gets better too, and is silent else', () => {
    expect(isolationNews(address, { ...nothing, regained: [network], dropped: [device] })).toMatchObject([
      { code: 'isolation-stronger', summary: 'guest db1 regains: network namespace; gives up: /dev/vfio/12' },
    ]);
    expect(isolationNews(address, undefined)).toEqual([]);
  });
});

describe('a definition whose host was not looked at', () => {
  const config: ObjectValue = {
    host: 'hv1',
    name: 'db1',
    users: 'hv1/per-domain',
    memory_mib: 256,
    vcpus: null,
    accelerator: null,
    kernel: { file: 'k', host_file: null },
    devices: null,
    limits: null,
    isolation: null,
  };
  const said = (change: ObjectValue, prior: ObjectValue | null = null) =>
    guestRemarks(address, { ...config, ...change }, { prior, fleet: 'f' }).map(({ summary }) => summary);
  const off = { off: ['net-namespace'], may_be_missing: null, host_dev_mounts: null };

  it('is compared with full isolation where the guest is made', () => {
    expect(said({})).toEqual([]);
    expect(said({ isolation: off, limits: { tasks: 200 } })).toEqual([
      'guest db1 loses: network namespace, task limit of 97 (becomes 200)',
    ]);
  });

  it('is compared with what Terraform knew where it is changed', () => {
    const prior = { ...config, isolation: off, devices: ['/dev/a'] };
    expect(said({ isolation: off, devices: ['/dev/a'] }, prior)).toEqual([]);
    expect(said({ devices: ['/dev/b'] }, prior)).toEqual([
      'guest db1 gains: /dev/b; regains: network namespace; gives up: /dev/a',
    ]);
  });

  it('is weighed by what is known of it', () => {
    expect(said({ isolation: UNKNOWN, devices: ['/dev/a', UNKNOWN], limits: { tasks: UNKNOWN } })).toEqual([
      'guest db1 gains: /dev/a',
    ]);
    expect(said({ isolation: { ...off, host_dev_mounts: UNKNOWN }, memory_mib: UNKNOWN })).toEqual([
      'guest db1 loses: network namespace',
    ]);
    expect(
      said({ memory_mib: UNKNOWN, limits: { memory_overhead_mib: 9000 }, accelerator: UNKNOWN }),
    ).toEqual([]);
    expect(said({ accelerator: 'tcg', host: UNKNOWN })).toEqual([
      'guest db1 on hv1: QEMU gives no security guarantee for emulation (tcg)',
    ]);
  });
});
