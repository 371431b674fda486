import { describe, expect, it } from 'vitest';
import { fileState, planGuest } from '../../../provider/terraform/kinds/guest-plan.ts';
import { guestParts } from '../../../provider/terraform/kinds/guest-schema.ts';
import { conflicts, settle } from '../../../provider/terraform/lifecycle/settle.ts';
import { isObject, type ObjectValue, UNKNOWN } from '../../../provider/tfplugin/types.ts';
import { sampleGuest } from '../../samples.ts';

const digest = 'b'.repeat(64);
const desired = sampleGuest({ kernel: { kind: 'digest', sha256: digest, bytes: 1 }, initrd: undefined });
const ok = Object.fromEntries(Object.keys(guestParts).map((part) => [part, 'ok']));
const prior: ObjectValue = {
  id: 'hv1/web1',
  host: 'hv1',
  name: 'web1',
  memory_mib: 256,
  kernel: { file: '/here/vmlinuz', host_file: null, sha256: digest },
  initrd: null,
  generation: 3,
  state: 'running',
  shares: null,
  share_drivers: null,
  integrity: ok,
};

describe('the plan of a guest', () => {
  it('is what was before, where nothing differs', () => {
    expect(planGuest(prior, prior, desired, null)).toEqual(prior);
  });

  it('keeps the path that was known where the content is the same', () => {
    const elsewhere = { ...prior, kernel: { file: '/there/vmlinuz', host_file: null, sha256: UNKNOWN } };
    expect(planGuest(elsewhere, prior, desired, null)).toEqual(prior);
  });

  it('names the new content where it is not', () => {
    const sha256 = 'c'.repeat(64);
    const changed = sampleGuest({ kernel: { kind: 'digest', sha256, bytes: 1 }, initrd: undefined });
    expect(planGuest(prior, prior, changed, null)).toMatchObject({
      kernel: { file: '/here/vmlinuz', sha256 },
      generation: UNKNOWN,
    });
  });

  it('plans what should be, so that drift shows', () => {
    const drifted = { ...prior, state: 'stopped', integrity: { ...ok, process: 'not running' } };
    expect(planGuest(drifted, drifted, desired, null)).toMatchObject({
      state: 'running',
      integrity: ok,
      generation: UNKNOWN,
    });
  });

  it('says who serves the shares; where the host is silent what was known stays as long as they are the same', () => {
    const served = { ...prior, shares: [{ tag: 'data' }], share_drivers: { data: 'proxy: why' } };
    expect(planGuest(served, served, desired, undefined)).toEqual(served);
    expect(planGuest(served, served, desired, { data: 'virtiofs: why' })).toMatchObject({
      share_drivers: { data: 'virtiofs: why' },
      generation: UNKNOWN,
    });
    const other = { ...served, shares: [{ tag: 'other' }] };
    expect(planGuest(other, served, desired, undefined)).toMatchObject({ share_drivers: UNKNOWN });
  });

  it('leaves domid and uid open where Xen gives them anew, and where nobody knows', () => {
    const held = { ...prior, domid: 7, uid: 200_007 };
    const drifted = { ...held, state: 'stopped' };
    const ids = (toolstack?: 'qemu' | 'xl') => {
      const { domid, uid } = planGuest(drifted, drifted, desired, null, toolstack);
      return [domid, uid];
    };
    expect(planGuest(held, held, desired, null, 'xl')).toEqual(held);
    expect([ids('qemu'), ids('xl'), ids()]).toEqual([
      [7, 200_007],
      [UNKNOWN, UNKNOWN],
      [UNKNOWN, UNKNOWN],
    ]);
  });

  it('leaves digests open while the definition is not wholly known', () => {
    const open = { ...prior, host: UNKNOWN, kernel: { file: UNKNOWN, host_file: null, sha256: UNKNOWN } };
    expect(planGuest(open, null, undefined, null)).toMatchObject({
      id: UNKNOWN,
      kernel: { sha256: UNKNOWN },
      generation: UNKNOWN,
    });
  });
});

describe('a file in the state', () => {
  it('keeps its path by digest, and has none after an import', () => {
    const stored = { kind: 'digest', sha256: digest, bytes: 1 } as const;
    expect(fileState(stored, prior['kernel'] ?? null)).toEqual(prior['kernel']);
    expect(fileState(stored, null)).toEqual({ file: `sha256:${digest}`, host_file: null, sha256: digest });
    expect(fileState({ kind: 'host', path: '/boot/k' }, prior['kernel'] ?? null)).toEqual({
      file: null,
      host_file: '/boot/k',
      sha256: null,
    });
  });
});

describe('what Apply returns', () => {
  it('is what was planned, and what was found where nothing was', () => {
    const planned = { name: 'web1', domid: UNKNOWN, qemu: UNKNOWN, kernel: { file: 'k', sha256: UNKNOWN } };
    const actual = { name: 'other', domid: 7, kernel: { file: 'x', sha256: 'd' } };
    expect(settle(planned, actual)).toEqual({
      name: 'web1',
      domid: 7,
      qemu: null,
      kernel: { file: 'k', sha256: 'd' },
    });
  });

  it('is found inside lists too', () => {
    const planned = {
      disks: [
        { name: 'a', path: UNKNOWN },
        { name: 'b', path: '/b' },
      ],
    };
    const actual = { disks: [{ name: 'a', path: '/a' }] };
    expect(settle(planned, actual)).toEqual({
      disks: [
        { name: 'a', path: '/a' },
        { name: 'b', path: '/b' },
      ],
    });
  });

  it('conflicts with the plan only where both are known and differ', () => {
    const planned = { a: 1, b: UNKNOWN, kernel: { sha256: 'x', file: 'k' } };
    const anew = { a: 1, b: 2, kernel: { sha256: 'y', file: 'k' } };
    expect(conflicts(planned, anew)).toEqual(['kernel.sha256']);
    expect(isObject(anew) && conflicts(planned, planned)).toEqual([]);
  });
});
