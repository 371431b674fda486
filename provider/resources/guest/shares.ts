import type { LaunchShare, LaunchShareDriver } from '../../jail/launch-share.ts';
import { hasDescriptors } from '../../jail/share-lock.ts';
import { describeAddress } from '../../model/address.ts';
import { type Diagnostic, problem } from '../../model/diagnostic.ts';
import { maxDescriptorDisks } from '../../spec/disk-rules.ts';
import { allowedDrivers } from '../../spec/share-rules.ts';
import type { HostCapabilities } from '../../toolstacks/qemu/capabilities.types.ts';
import { type GuestDesired, type GuestShare, guestAddress, type StoredGuest } from './desired.ts';
import { type Served, type ShareLack, shareOffer } from './share-offers.ts';

type Sharing = Served & Pick<StoredGuest, 'shares'>;

/** Who serves one share on its host, and why. */
interface ShareChoice {
  readonly share: GuestShare;
  /** `undefined`: the host cannot serve it as it is asked for. */
  readonly driver: LaunchShareDriver | undefined;
  /** Why this driver and no other that was preferred; where there is none, what the host lacks. */
  readonly reason: string;
  /** What stood against each driver that was tried before, or against all. */
  readonly lacks: readonly ShareLack[];
}

/** For each share the first driver of those it may have that the host can give: virtiofs, then proxy, then local. */
export function chooseShares(guest: Sharing, host: HostCapabilities): readonly ShareChoice[] {
  return guest.shares.map((share) => {
    const lacks: ShareLack[] = [];
    const why = (last: readonly string[]) =>
      [...new Set([...lacks.map(({ text }) => text), ...last])].join('; ');
    for (const name of allowedDrivers(share)) {
      const offer = shareOffer(name, share, guest, host);
      if (offer.kind === 'served') return { share, driver: offer.driver, reason: why([offer.by]), lacks };
      lacks.push(offer);
    }
    return { share, driver: undefined, reason: why([]), lacks };
  });
}

/** The shares of a guest as its host serves them; those that it cannot serve are left out (they are obstacles of the plan). */
export function launchShares(guest: Sharing, host: HostCapabilities): readonly LaunchShare[] {
  return chooseShares(guest, host).flatMap(({ share, driver }) => {
    if (driver === undefined) return [];
    const { tag, source, readonly, maxFileMib } = share;
    return [{ tag, source, readonly, onlyWriter: !readonly && share.writers === 'one', maxFileMib, driver }];
  });
}

/** What a plan shows of the choice, by tag. */
export function shareDriverTexts(
  guest: Sharing,
  host: HostCapabilities,
): readonly (readonly [tag: string, text: string])[] {
  return chooseShares(guest, host).flatMap(({ share, driver, reason }) =>
    driver === undefined ? [] : [[share.tag, `${driver.kind}: ${reason}`] as const],
  );
}

/** Shares that the host cannot serve as they are asked for, with what to do instead. */
export function shareObstacles(guest: GuestDesired, host: HostCapabilities): readonly Diagnostic[] {
  const resource = describeAddress(guestAddress(guest));
  const unserved = chooseShares(guest, host).flatMap(({ share, driver, reason, lacks }, index) => {
    if (driver !== undefined) return [];
    const asked = share.driver === 'auto' ? 'no driver can serve it' : `driver ${share.driver} cannot be had`;
    const field = lacks.find((one) => one.field !== undefined)?.field ?? 'driver';
    return [
      problem('share-not-available', `${resource}: share ${share.tag}: ${asked}: ${reason}`, {
        ...{ host: guest.host, resource, path: ['shares', index, field] },
        hint: lacks[0]?.hint ?? 'Choose another driver.',
      }),
    ];
  });
  return hasDescriptors(guest.disks, launchShares(guest, host))
    ? unserved
    : [...unserved, tooManyLocks(guest, resource)];
}

function tooManyLocks({ host }: GuestDesired, resource: string): Diagnostic {
  return problem(
    'share-too-many-locks',
    `${resource}: more than ${maxDescriptorDisks} disks that are written to and shares that QEMU itself writes to (driver local)`,
    {
      ...{ host, resource, path: ['shares'] },
      detail: "Each takes a descriptor of the launcher's shell, which holds its lock.",
      hint: 'Share some of them read-only, or by virtiofs.',
    },
  );
}
