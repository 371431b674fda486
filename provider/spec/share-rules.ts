import type { z } from 'zod';
import type { LayerName } from '../model/evidence.ts';
import { pathRelation, plainPath } from './plain-path.ts';
import type { ShareDriverName, ShareSpec } from './share.ts';

type Options = Pick<
  ShareSpec,
  'driver' | 'securityModel' | 'cache' | 'announceSubmounts' | 'uidMap' | 'gidMap'
>;
type Blame = (path: PropertyKey[], message: string) => void;
type IdRange = NonNullable<ShareSpec['uidMap']>[number];

/** Options that one driver alone has. */
const optionsOf = {
  virtiofs: ['cache', 'announceSubmounts', 'uidMap', 'gidMap'],
  local: ['securityModel'],
} as const satisfies Partial<Record<ShareDriverName, readonly (keyof Options)[]>>;

const helpersFirst = ['virtiofs', 'proxy', 'local'] as const;

/** Drivers that a share may have, the preferred one first: one that was named, else all that know its options. */
export function allowedDrivers(share: Options): readonly ShareDriverName[] {
  if (share.driver !== 'auto') return [share.driver];
  const bound = Object.keys(optionsOf) as (keyof typeof optionsOf)[];
  const wanted = bound.filter((driver) => set(share, driver).length > 0);
  return wanted.length === 0 ? helpersFirst : wanted.length === 1 ? wanted : [];
}

function set(share: Options, driver: keyof typeof optionsOf): readonly (keyof Options)[] {
  return optionsOf[driver].filter((option) => share[option] !== undefined);
}

/** Shares of one guest: a tag each, options of one driver, and nothing that is written to is shared twice. */
export function shareRules(shares: readonly ShareSpec[], context: z.RefinementCtx): void {
  const blame: Blame = (path, message) => context.addIssue({ code: 'custom', path, message, input: shares });
  const tags = new Set<string>();
  shares.forEach((share, index) => {
    const { tag, source } = share;
    if (tags.has(tag)) blame([index, 'tag'], `is the tag of another share too: ${tag}`);
    tags.add(tag);
    const plain = plainPath(source);
    if (plain === '/') blame([index, 'source'], 'must be a directory below /, not the whole host');
    else if (plain !== source) blame([index, 'source'], `must be written without detours: ${plain}`);
    optionRules(share, index, blame);
    rangeRules(share.uidMap ?? [], [index, 'uidMap'], blame);
    rangeRules(share.gidMap ?? [], [index, 'gidMap'], blame);
    overlapRule(shares, index, blame);
  });
}

function optionRules(share: Options, index: number, blame: Blame): void {
  const { driver } = share;
  if (driver === 'auto' && allowedDrivers(share).length === 0) {
    const message = `is an option of local, and ${set(share, 'virtiofs').join(', ')} of virtiofs: no driver has both`;
    blame([index, 'securityModel'], message);
    return;
  }
  for (const owner of Object.keys(optionsOf) as (keyof typeof optionsOf)[]) {
    if (driver === 'auto' || driver === owner) continue;
    for (const option of set(share, owner))
      blame([index, option], `is an option of driver ${owner}, not of ${driver}`);
  }
}

const lastId = 4_294_967_294;

function rangeRules(ranges: readonly IdRange[], at: PropertyKey[], blame: Blame): void {
  ranges.forEach((range, index) => {
    for (const side of ['guest', 'host'] as const) {
      const end = range[side] + range.count;
      if (end - 1 > lastId)
        blame([...at, index, 'count'], `leads beyond the last id, ${lastId}, on the ${side}`);
      const clash = ranges
        .slice(0, index)
        .some((earlier) => range[side] < earlier[side] + earlier.count && earlier[side] < end);
      if (clash) blame([...at, index, side], `must not overlap an earlier range on the ${side}`);
    }
  });
}

/** Two file servers with caches of their own, one of which is not told what the other writes; and a writer may move what is below it. */
function overlapRule(shares: readonly ShareSpec[], index: number, blame: Blame): void {
  const share = shares[index];
  if (share === undefined) return;
  const earlier = shares
    .slice(0, index)
    .find(
      (other) =>
        !(share.readonly && other.readonly) && pathRelation(share.source, other.source) !== undefined,
    );
  if (earlier === undefined) return;
  const how = { same: 'is', below: 'is inside', above: 'contains' };
  const relation = pathRelation(share.source, earlier.source) ?? 'same';
  const message = `${how[relation]} the directory of share ${earlier.tag}, ${earlier.source}, and one of the two is written to`;
  blame([index, 'source'], message);
}

/**
 * QEMU keeps these by names below /proc/self/fd (its hw/9pfs/9p-util-linux.c and 9p-local.c): in an empty chroot there are none, and the
 * guest would get errors for every file that it makes.
 */
export function shareModelRules(
  guest: {
    readonly shares?: readonly Pick<ShareSpec, 'securityModel' | 'driver'>[] | undefined;
    readonly isolation?: { readonly off?: readonly LayerName[] | undefined } | undefined;
  },
  context: z.RefinementCtx,
): void {
  const off = guest.isolation?.off ?? [];
  (guest.shares ?? []).forEach(({ securityModel, driver }, index) => {
    if (driver === 'local' && off.includes('mount-namespace')) {
      context.addIssue({
        code: 'custom',
        path: ['shares', index, 'driver'],
        message:
          "is local, which needs the guest's own mounts: QEMU would hold a directory among those of the host; do not have mount-namespace in isolation.off",
        input: guest,
      });
    }
    if (securityModel === undefined || securityModel === 'mapped-file') return;
    if (off.includes('chroot') && !off.includes('pid-namespace') && !off.includes('mount-namespace')) return;
    context.addIssue({
      code: 'custom',
      path: ['shares', index, 'securityModel'],
      message: `${securityModel} needs a /proc, which QEMU's empty chroot has not: choose mapped-file, or have chroot in isolation.off and the pid and mount namespaces on`,
      input: guest,
    });
  });
}
