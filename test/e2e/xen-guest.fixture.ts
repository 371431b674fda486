import type { HostSnapshot } from '../../provider/engine/snapshot.ts';
import { layersWithoutXl } from '../../provider/model/evidence.ts';
import type { GuestDesired } from '../../provider/resources/guest/desired.ts';
import { domainUuid } from '../../provider/toolstacks/xl/config.ts';
import type { XenDomain } from '../../provider/toolstacks/xl/domains.ts';
import { domainOf } from '../../provider/toolstacks/xl/expectation.ts';

/** What guests of xl's have in common in these tests. */
export const onXen: Partial<GuestDesired> = {
  accelerator: 'kvm',
  shutdownTimeoutSeconds: 10,
  isolation: { off: [], mayBeMissing: [...layersWithoutXl].sort(), hostDevMounts: false },
};

/** The domain that a guest has now. */
export function domainIn(snapshot: HostSnapshot, guest: GuestDesired): XenDomain | undefined {
  return domainOf(domainUuid(guest), snapshot.domains ?? []);
}
