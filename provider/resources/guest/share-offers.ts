import type { LaunchShareDriver } from '../../jail/launch-share.ts';
import { deviceOn } from '../../shares/qemu.ts';
import type { ShareDriverName } from '../../spec/share.ts';
import type { HostCapabilities, QemuCapabilities } from '../../toolstacks/qemu/capabilities.types.ts';
import { sharedMemoryForm } from '../../toolstacks/qemu/memory.ts';
import type { GuestShare, StoredGuest } from './desired.ts';

/** What a host has for one driver: who serves the share, or what it lacks. */
type ShareOffer =
  | { readonly kind: 'served'; readonly driver: LaunchShareDriver; readonly by: string }
  | ShareLack;

/** Why a driver cannot be had on a host. */
export interface ShareLack {
  readonly kind: 'lacking';
  readonly text: string;
  readonly hint: string;
  /** The field of the share that asks for it, where that is not the driver itself. */
  readonly field?: keyof GuestShare;
}

type Machine = StoredGuest['machine'];
/** What of a guest decides who can serve its shares. */
export type Served = Pick<StoredGuest, 'machine' | 'isolation'>;

/** Whether a driver can serve a share of a guest on this host. */
export function shareOffer(
  name: ShareDriverName,
  share: GuestShare,
  { machine, isolation }: Served,
  host: HostCapabilities,
): ShareOffer {
  const { qemu } = host;
  if (qemu === undefined) return lack('no QEMU on the host', 'Install it: apt-get install qemu-system-x86.');
  switch (name) {
    case 'virtiofs':
      return virtiofsOffer(share, machine, host, qemu);
    case 'proxy':
      return proxyOffer(machine, host, qemu);
    case 'local':
      return localOffer(share, machine, isolation, qemu);
  }
}

const lack = (text: string, hint: string, field?: keyof GuestShare): ShareLack => ({
  ...{ kind: 'lacking', text, hint },
  ...(field === undefined ? {} : { field }),
});

/** `7.2` of `7.2.22`: what people call it, and what stays over updates. */
const nameOf = ({ version }: QemuCapabilities) => `QEMU ${version.split('.').slice(0, 2).join('.')}`;

/** QEMU's packages have its own in C up to 7.2; the Rust one is a package of its own. */
const installVirtiofsd =
  'Install virtiofsd on the host: package virtiofsd; with a QEMU older than 8.0, package qemu-system-common.';

function virtiofsOffer(
  share: GuestShare,
  machine: Machine,
  { virtiofsd }: HostCapabilities,
  qemu: QemuCapabilities,
): ShareOffer {
  const device = deviceOn(machine, 'vhost-user-fs');
  if (!qemu.devices.includes(device))
    return lack(`${nameOf(qemu)} has no device ${device}`, 'Use a QEMU that has it (4.2 or later).');
  if (sharedMemoryForm(qemu, machine) === undefined) {
    return lack(
      `${nameOf(qemu)} cannot share the memory of machine ${machine} with virtiofsd (memory-backend-memfd)`,
      'Use a newer QEMU, or the machine q35.',
    );
  }
  if (virtiofsd === undefined) return lack('no virtiofsd on the host', installVirtiofsd);
  const { path: helper, kind: implementation } = virtiofsd;
  const refused = optionRefused(share, virtiofsd);
  if (refused !== undefined) return refused;
  const { cache = 'auto', announceSubmounts = false, uidMap = [], gidMap = [] } = share;
  return {
    kind: 'served',
    driver: { kind: 'virtiofs', helper, implementation, cache, announceSubmounts, uidMap, gidMap },
    by: `the host has the ${implementation === 'c' ? 'C' : 'Rust'} virtiofsd (${helper})`,
  };
}

function optionRefused(
  share: GuestShare,
  { path, kind, translatesIds }: NonNullable<HostCapabilities['virtiofsd']>,
): ShareLack | undefined {
  const map = (['uidMap', 'gidMap'] as const).find((field) => share[field] !== undefined);
  if (map !== undefined && !translatesIds) {
    const [option, which] = map === 'uidMap' ? ['--translate-uid', 'users'] : ['--translate-gid', 'groups'];
    const what =
      kind === 'c'
        ? `the C virtiofsd (${path}) cannot take ${which} of the guest for others`
        : `this virtiofsd (${path}) does not know ${option}`;
    const hint = `Install ${kind === 'c' ? 'the Rust virtiofsd (package virtiofsd)' : 'a newer virtiofsd'}, or leave ${which} as they are.`;
    return lack(what, hint, map);
  }
  if (share.cache === 'metadata' && kind === 'c') {
    const hint = 'Choose auto, always or never, or install the Rust virtiofsd (package virtiofsd).';
    return lack(`the C virtiofsd (${path}) has no cache mode metadata`, hint, 'cache');
  }
  return undefined;
}

function proxyOffer(machine: Machine, { proxyHelper }: HostCapabilities, qemu: QemuCapabilities): ShareOffer {
  if (!qemu.fsdevDrivers.includes('proxy')) {
    return lack(
      `${nameOf(qemu)} has no 9p driver proxy (QEMU has removed it in 9.2)`,
      `Its replacement is driver = "virtiofs". What differs: the guest mounts it with "-t virtiofs" and no longer with "-t 9p", and its memory is shared with virtiofsd. ${installVirtiofsd}`,
    );
  }
  const device = deviceOn(machine, 'virtio-9p');
  if (!qemu.devices.includes(device))
    return lack(`${nameOf(qemu)} has no device ${device}`, 'Use a QEMU that is built with virtfs.');
  if (proxyHelper === undefined) {
    return lack(
      'no virtfs-proxy-helper on the host',
      'Install it on the host (package qemu-system-common), or choose driver = "virtiofs": QEMU has deprecated the proxy.',
    );
  }
  return {
    kind: 'served',
    driver: { kind: 'proxy', helper: proxyHelper },
    by: `${nameOf(qemu)} and virtfs-proxy-helper (${proxyHelper}) serve 9p`,
  };
}

function localOffer(
  { securityModel }: GuestShare,
  machine: Machine,
  { off }: StoredGuest['isolation'],
  qemu: QemuCapabilities,
): ShareOffer {
  // the launcher looks at the directory, locks it and shows QEMU nothing but that where it makes the guest's own mounts
  if (off.includes('mount-namespace')) {
    return lack(
      'QEMU serves a share itself only where the guest has mounts of its own: it would hold a directory among those of the host (mount-namespace is in isolation.off)',
      `Take mount-namespace out of isolation.off, or choose driver = "virtiofs". ${installVirtiofsd}`,
    );
  }
  const device = deviceOn(machine, 'virtio-9p');
  if (!(qemu.fsdevDrivers.includes('local') && qemu.devices.includes(device))) {
    const text = `${nameOf(qemu)} was built without 9p (-fsdev local, device ${device})`;
    return lack(text, `Use a QEMU that is built with virtfs, or driver = "virtiofs". ${installVirtiofsd}`);
  }
  return {
    kind: 'served',
    driver: { kind: 'local', securityModel: securityModel ?? 'mapped-file' },
    by: 'QEMU serves it itself and holds the directory open',
  };
}
