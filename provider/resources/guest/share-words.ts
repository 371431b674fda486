import type { LaunchShare } from '../../jail/launch-share.ts';
import { shareServiceUnit } from '../../jail/share-places.ts';
import type { IsolationLine } from '../../model/change.ts';
import type { ShareDriverName } from '../../spec/share.ts';
import type { GuestShare } from './desired.ts';
import type { GuestFacts } from './facts.ts';

/** Who serves which share, by tag; of a host that is not known nothing is in it. */
export type ShareDrivers = ReadonlyMap<string, ShareDriverName>;

export function driversOf(shares: readonly LaunchShare[]): ShareDrivers {
  return new Map(shares.map(({ tag, driver }) => [tag, driver.kind]));
}

/** Who serves the shares of a guest that is there: by the units of its helpers, QEMU itself where there are none. */
export function driversFound({
  name,
  stored,
  shareFiles,
}: Pick<GuestFacts, 'name' | 'stored' | 'shareFiles'>): ShareDrivers {
  const units = new Set([...shareFiles.keys()].map((path) => path.slice(path.lastIndexOf('/') + 1)));
  return new Map(
    (stored?.shares ?? []).map(({ tag, driver }) => {
      if (driver !== 'auto') return [tag, driver];
      const helper = (['virtiofs', 'proxy'] as const).find((kind) =>
        units.has(shareServiceUnit(name, tag, kind)),
      );
      return [tag, helper ?? 'local'];
    }),
  );
}

/** One that was named, else the one that was found or chosen. */
export function driverOf({ tag, driver }: GuestShare, drivers: ShareDrivers): ShareDriverName | undefined {
  return driver === 'auto' ? drivers.get(tag) : driver;
}

/** What a share lets a guest use of its host. */
export function shareLine(share: GuestShare, drivers: ShareDrivers): IsolationLine {
  const { tag, source, readonly } = share;
  const driver = driverOf(share, drivers);
  const by = driver === undefined ? '' : `, by ${driver}`;
  return {
    what: `share ${tag}: ${source}, ${readonly ? 'read-only' : 'written to'}${by}`,
    meaning: [readonly ? reads : writes, ...(driver === undefined ? [] : [servedBy[driver]])].join(' '),
    path: ['shares'],
  };
}

const reads = 'The guest, and who takes over its QEMU, reads what is in this directory of the host.';
const writes =
  'The guest, and who takes over its QEMU, reads, makes, changes and removes whatever is in this directory of the host.';

/** What whoever serves it may do on the host. */
const servedBy: Readonly<Record<ShareDriverName, string>> = {
  virtiofs:
    'virtiofsd serves it, as root in a jail where nothing else of the host can be seen: files of any owner and mode.',
  proxy:
    'virtfs-proxy-helper serves it, as root in a jail where nothing else of the host can be seen: files of any owner and mode.',
  local:
    "A directory of the host is held open by QEMU: its empty root is not all it can reach. It has there what the files' modes give to its user.",
};
