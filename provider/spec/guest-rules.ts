import type { z } from 'zod';
import type { LayerName } from '../model/evidence.ts';
import { plainPath } from './plain-path.ts';

/** What a rule looks at; the schemas have more. */
interface Isolation {
  readonly off?: readonly LayerName[] | undefined;
  readonly mayBeMissing?: readonly LayerName[] | undefined;
  readonly hostDevMounts: boolean;
}

interface Disk {
  readonly name: string;
  readonly path: string;
  readonly readonly: boolean;
  readonly backing?: readonly { readonly path: string }[] | undefined;
}

/** A layer that stands on another: without that one it cannot be. */
const needs: readonly {
  readonly layer: LayerName;
  readonly on: LayerName;
  readonly because: string;
}[] = [
  {
    layer: 'private-dev',
    on: 'mount-namespace',
    because: "a /dev of its own has to be mounted where the host's stays as it is",
  },
  { layer: 'seccomp', on: 'no-new-privs', because: "QEMU's system call filter sets no_new_privs" },
];

/** Departures from full isolation that cannot be together. */
export function isolationRules(isolation: Isolation, context: z.RefinementCtx): void {
  const off = isolation.off ?? [];
  const mayBeMissing = isolation.mayBeMissing ?? [];
  const blame = (path: PropertyKey[], message: string) =>
    context.addIssue({ code: 'custom', path, message, input: isolation });
  for (const { layer, on, because } of needs) {
    if (off.includes(on) && !off.includes(layer))
      blame(['off'], `has ${on} and must then have ${layer} too: ${because}`);
  }
  const both = off.filter((layer) => mayBeMissing.includes(layer));
  if (both.length > 0) blame(['mayBeMissing'], `has ${both.join(', ')}, which is switched off already`);
  if (isolation.hostDevMounts && off.includes('private-dev'))
    blame(['hostDevMounts'], 'has nothing to move into while private-dev is off');
  once(off, 'off', blame);
  once(mayBeMissing, 'mayBeMissing', blame);
}

function once(
  layers: readonly string[],
  path: string,
  blame: (path: PropertyKey[], message: string) => void,
): void {
  const again = layers.find((layer, index) => layers.indexOf(layer) !== index);
  if (again !== undefined) blame([path], `has ${again} twice`);
}

/**
 * Disks of one guest: a name each, and nothing that is written to is used twice. Two writers, or a writer beside a reader
 * with a cache of its own, destroy what is on it.
 */
export function diskRules(disks: readonly Disk[], context: z.RefinementCtx): void {
  const blame = (path: PropertyKey[], message: string) =>
    context.addIssue({ code: 'custom', path, message, input: disks });
  const uses: { readonly at: PropertyKey[]; readonly path: string; readonly writes: boolean }[] = [];
  const names = new Set<string>();
  disks.forEach((disk, index) => {
    if (names.has(disk.name)) blame([index, 'name'], `is the name of another disk too: ${disk.name}`);
    names.add(disk.name);
    uses.push({ at: [index, 'path'], path: plainPath(disk.path), writes: !disk.readonly });
    (disk.backing ?? []).forEach((image, depth) => {
      uses.push({ at: [index, 'backing', depth, 'path'], path: plainPath(image.path), writes: false });
    });
  });
  uses.forEach((use, index) => {
    const earlier = uses.slice(0, index).find(({ path }) => path === use.path);
    if (earlier !== undefined && (earlier.writes || use.writes))
      blame(use.at, `must not be used twice while it is written to: ${use.path}`);
  });
}

/** `isapc` has neither PCI nor memory-mapped virtio: nothing to attach a disk, a share or a network card to. */
export function busRules(
  guest: {
    readonly machine: string;
    readonly disks?: readonly unknown[] | undefined;
    readonly shares?: readonly unknown[] | undefined;
    readonly network: string;
  },
  context: z.RefinementCtx,
): void {
  if (guest.machine !== 'isapc') return;
  const blame = (path: PropertyKey[]) =>
    context.addIssue({
      code: 'custom',
      path,
      message: 'cannot be had with machine isapc: choose q35, pc or microvm',
      input: guest,
    });
  if ((guest.disks ?? []).length > 0) blame(['disks']);
  if ((guest.shares ?? []).length > 0) blame(['shares']);
  if (guest.network !== 'none') blame(['network']);
}
