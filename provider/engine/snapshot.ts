import type { GuestEvidence } from '../model/evidence.ts';
import type { GuestFacts } from '../resources/guest/facts.ts';
import type { ShareSourceFacts } from '../resources/guest/share-sources.ts';
import type { HostFacts } from '../resources/host/facts.ts';
import type { QemuUsersFacts } from '../resources/qemu-users/facts.ts';
import type { XenDomain } from '../toolstacks/xl/domains.ts';
import type { UserScheme } from '../spec/qemu-users.ts';

/** Everything one round trip showed about one host. */
export interface HostSnapshot {
  readonly host: string;
  readonly facts: HostFacts;
  /** Every scheme; one that nobody made has no record. */
  readonly users: ReadonlyMap<UserScheme, QemuUsersFacts>;
  /** Every guest that has a record on the host, whoever owns it. */
  readonly guests: ReadonlyMap<string, GuestFacts>;
  /** Digests of the uploaded files that are on the host. */
  readonly files: ReadonlySet<string>;
  /** Of the guests whose record can be read. */
  readonly evidence: ReadonlyMap<string, GuestEvidence>;
  /** Of the directories that were asked about, by path without empty and `.` parts (`plainPath`). */
  readonly sources: ReadonlyMap<string, ShareSourceFacts>;
  /** Xen's, whoever made them; `undefined`: xl gave no answer. @default none */
  readonly domains?: readonly XenDomain[] | undefined;
}
