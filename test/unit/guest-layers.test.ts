import { describe, expect, it } from 'vitest';
import type { LayerName } from '../../provider/model/evidence.ts';
import { isIsolated, isProven } from '../../provider/resources/guest/integrity.ts';
import { guestObstacles } from '../../provider/resources/guest/render.ts';
import { layerObstacle, layerRequests, missingLayers } from '../../provider/resources/guest/requests.ts';
import type { HostCapabilities } from '../../provider/toolstacks/qemu/capabilities.types.ts';
import { sampleEvidence, sampleGuest, sampleHost, sampleQemu } from '../samples.ts';

const without: Readonly<Partial<Record<LayerName, HostCapabilities>>> = {
  seccomp: { ...sampleHost, qemu: { ...sampleQemu, seccomp: false } },
  chroot: { ...sampleHost, qemu: { ...sampleQemu, chrootOption: false, runWithChroot: false } },
};
const guest = (mayBeMissing: readonly LayerName[], off: readonly ('seccomp' | 'chroot')[] = []) =>
  sampleGuest({ isolation: { off, mayBeMissing, hostDevMounts: false } });

describe.each(['seccomp', 'chroot'] as const)('a host that cannot give %s', (layer) => {
  const host = without[layer] ?? sampleHost;

  it('is an obstacle with the reason and the way out', () => {
    expect(guestObstacles(guest([]), host)).toMatchObject([
      {
        severity: 'error',
        code: 'layer-not-available',
        summary: expect.stringContaining(`the host cannot give the layer ${layer}: its QEMU`) as string,
        path: ['isolation'],
        hint: expect.stringContaining(`may_be_missing = ["${layer}"]`) as string,
      },
    ]);
    expect(layerRequests(guest([]).isolation, host)[layer]).toBe('on');
  });

  it('is none where the definition lets it be missing, or does without', () => {
    const missing = guest([layer]);
    expect(guestObstacles(missing, host)).toEqual([]);
    expect(missingLayers(layerRequests(missing.isolation, host))).toContain(layer);
    const off = guest([], [layer]);
    expect(guestObstacles(off, host)).toEqual([]);
    expect(layerRequests(off.isolation, host)[layer]).toBe('off');
  });

  it('is no excuse where the host can', () => {
    const allowed = layerRequests(guest([layer]).isolation, sampleHost);
    expect(allowed[layer]).toBe('on');
    expect(missingLayers(allowed)).toEqual(['lsm']);
  });
});

describe('the label of a security module', () => {
  const host = (lsm: readonly string[], apparmorParser?: string) => ({ ...sampleHost, lsm, apparmorParser });
  const asked = (of: HostCapabilities, mayBeMissing: readonly LayerName[] = []) => [
    layerRequests(guest(mayBeMissing).isolation, of).lsm,
    guestObstacles(guest(mayBeMissing), of).map(({ summary }) => summary),
  ];

  it('is asked for where the host has AppArmor and what loads a profile', () => {
    expect(asked(host(['capability', 'apparmor'], '/sbin/apparmor_parser'))).toEqual(['on', []]);
  });

  it('is none where the host has no module, or one without a profile of ours', () => {
    expect(asked(host([]))).toEqual(['missing', []]);
    expect(asked(host(['selinux'], '/sbin/apparmor_parser'))).toEqual(['missing', []]);
    expect(layerObstacle('lsm', host(['selinux']))).toContain('SELinux');
  });

  it('is an obstacle where AppArmor is on and nothing loads a profile, unless it may be missing', () => {
    const idle = host(['apparmor']);
    expect(asked(idle)).toEqual(['on', [expect.stringContaining('no apparmor_parser of 3.0 or later')]]);
    expect(asked(idle, ['lsm'])).toEqual(['missing', []]);
  });
});

it('a host without control groups gives none of their layers', () => {
  const bare = { ...sampleHost, cgroupVersion: undefined, cgroupControllers: [] };
  expect(guestObstacles(guest([]), bare).map(({ summary }) => summary)).toEqual([
    expect.stringContaining('the layer cgroup-namespace: it has no control groups'),
    expect.stringContaining('the layer cgroup-limits: it has no control groups'),
  ]);
});

describe('evidence', () => {
  const whole = sampleEvidence(sampleGuest());
  const withLayer = (change: object) => ({
    ...whole,
    layers: whole.layers.map((layer) => (layer.layer === 'cgroup-limits' ? { ...layer, ...change } : layer)),
  });

  it.each([
    [{}, true, true],
    [{ state: 'off' }, true, false],
    [{ state: 'missing' }, true, false],
    [{ state: 'unproven', unprovable: 'no controllers' }, true, false],
    [{ state: 'unproven', passing: true }, true, false],
    [{ state: 'unproven' }, false, false],
    [{ state: 'ineffective', unprovable: 'no controllers' }, false, false],
  ])('with a layer that is %j: isolated %s, proven %s', (change, isolated, proven) => {
    expect([isIsolated(withLayer(change)), isProven(withLayer(change))]).toEqual([isolated, proven]);
  });

  it('of nothing that runs, or of no layers, proves nothing', () => {
    expect([isIsolated(undefined), isProven({ ...whole, running: false })]).toEqual([false, false]);
    expect([isIsolated({ ...whole, layers: [] }), isProven({ ...whole, layers: [] })]).toEqual([
      false,
      false,
    ]);
  });
});
