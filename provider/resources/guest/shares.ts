import type { LaunchShare, LaunchShareDriver } from '../../jail/launch-share.ts';
import type { HostCapabilities } from '../../toolstacks/qemu/capabilities.types.ts';
import type { GuestShare, StoredGuest } from './desired.ts';

/** The shares of a guest as its host serves them; those that it cannot serve are left out (they are obstacles of the plan). */
export function launchShares(
  guest: Pick<StoredGuest, 'shares' | 'machine'>,
  host: HostCapabilities,
): readonly LaunchShare[] {
  return guest.shares.flatMap((share) => {
    const driver = driverOf(share, host);
    if (driver === undefined) return [];
    const { tag, source, readonly, maxFileMib } = share;
    return [{ tag, source, readonly, onlyWriter: !readonly && share.writers === 'one', maxFileMib, driver }];
  });
}

/** What a plan shows of the choice, by tag. */
export function shareDriverTexts(
  guest: Pick<StoredGuest, 'shares' | 'machine'>,
  host: HostCapabilities,
): readonly (readonly [tag: string, text: string])[] {
  return launchShares(guest, host).map(({ tag, driver }) => [tag, driver.kind]);
}

function driverOf(
  share: GuestShare,
  { virtiofsd, proxyHelper, qemu }: HostCapabilities,
): LaunchShareDriver | undefined {
  const wants = (name: GuestShare['driver']) => share.driver === 'auto' || share.driver === name;
  if (wants('virtiofs') && virtiofsd !== undefined) {
    const { cache = 'auto', announceSubmounts = false, uidMap = [], gidMap = [] } = share;
    const { path: helper, kind: implementation } = virtiofsd;
    return { kind: 'virtiofs', helper, implementation, cache, announceSubmounts, uidMap, gidMap };
  }
  if (wants('proxy') && proxyHelper !== undefined && qemu?.fsdevDrivers.includes('proxy') === true)
    return { kind: 'proxy', helper: proxyHelper };
  if (wants('local') && qemu?.fsdevDrivers.includes('local') === true)
    return { kind: 'local', securityModel: share.securityModel ?? 'mapped-file' };
  return undefined;
}
