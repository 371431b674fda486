import type { HostWish } from '../../provider/engine/plan.ts';
import type { HostSnapshot } from '../../provider/engine/snapshot.ts';
import { reaperUser } from '../../provider/model/paths.ts';
import type { AccountEntry } from '../../provider/resources/accounts/facts.ts';
import { type GuestDesired, uploadedDigests } from '../../provider/resources/guest/desired.ts';
import { stateDirectories, unitTemplateSha256 } from '../../provider/resources/host/desired.ts';
import type { HostFacts } from '../../provider/resources/host/facts.ts';
import type { QemuUsersFacts } from '../../provider/resources/qemu-users/facts.ts';
import { firstDefaultBase } from '../../provider/resources/qemu-users/uid-base.ts';
import type { HostCapabilities } from '../../provider/toolstacks/qemu/capabilities.types.ts';
import { type UserScheme, userSchemes } from '../../provider/spec/qemu-users.ts';
import { sampleEvidence, sampleGuestFacts, sampleHost, sampleQemu } from '../samples.ts';

const capabilities: HostCapabilities = {
  ...sampleHost,
  qemu: { ...sampleQemu, accelerators: { built: ['kvm', 'tcg'], working: ['kvm', 'tcg'] } },
};
const rootDirectory = { type: 'directory', mode: 0o700, uid: 0, gid: 0 } as const;
const reaperUid = firstDefaultBase + 32_752;

function account(uid: number): AccountEntry {
  return {
    ...{ uid, gid: uid, groupGid: uid, groupMembers: '', ours: true },
    ...{ home: '/nonexistent', shell: '/usr/sbin/nologin', password: 'locked' },
  };
}

/** A host that is as this wish wants it, as one observation shows it; `drift` is how a guest of it was defined before. */
export function simulatedHost(
  wish: HostWish,
  drift: (guest: GuestDesired, index: number) => GuestDesired,
): HostSnapshot {
  const { host, fleet } = wish.host;
  const guests = wish.guests.map(drift);
  return {
    host,
    facts: hostFacts(wish, fleet),
    users: new Map(userSchemes.map((scheme) => [scheme, usersFacts(wish, scheme)])),
    guests: new Map(guests.map((guest) => [guest.name, sampleGuestFacts(guest)])),
    files: new Set(wish.guests.flatMap(uploadedDigests)),
    evidence: new Map(guests.map((guest) => [guest.name, sampleEvidence(guest)])),
    sources: new Map(),
  };
}

function hostFacts({ guests }: HostWish, fleet: string): HostFacts {
  return {
    capabilities,
    qemus: new Map(capabilities.qemu === undefined ? [] : [['', capabilities.qemu]]),
    operatingSystem: { id: 'debian', like: '', name: 'Debian GNU/Linux 12 (bookworm)' },
    record: { generation: 1 },
    owners: new Map([
      [fleet, { generation: 1, digest: '', qemuBinary: undefined, toolstack: 'qemu' as const }],
    ]),
    damaged: new Map(),
    directories: new Map(stateDirectories().map((path) => [path, rootDirectory])),
    unitTemplate: { type: 'file', mode: 0o644, uid: 0, gid: 0, sha256: unitTemplateSha256() },
    foreignUnitFiles: [],
    reloadPending: false,
    logger: {
      ...{ uid: 998, gid: 998, groupGid: 998, locked: true },
      ...{ home: '/nonexistent', shell: '/usr/sbin/nologin' },
    },
    apparmor: { file: undefined, switches: [], loaded: new Map(), hashes: '', record: undefined },
    guests: guests.map(({ name }) => ({ guest: name, owner: fleet })),
    userSets: [],
  };
}

function usersFacts({ users, host: { fleet } }: HostWish, scheme: UserScheme): QemuUsersFacts {
  const wanted = users.find((one) => one.scheme === scheme);
  const { firstDomid = 1, lastDomid = 64 } = wanted ?? {};
  return {
    scheme,
    record: wanted && { generation: 1, uidBase: firstDefaultBase, reaperUid },
    damaged: undefined,
    owners: new Map(wanted === undefined ? [] : [[fleet, { generation: 1, firstDomid, lastDomid }]]),
    otherSets: new Map(),
    leased: [],
    accounts: {
      runs: [{ first: firstDomid, last: lastDomid, entry: account(firstDefaultBase) }],
      users: new Map([[reaperUser, account(reaperUid)]]),
      held: [],
    },
  };
}
