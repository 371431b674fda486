import type { HelperShare } from '../jail/launch-share.ts';
import { helperCgroupLimits, helperRlimits } from '../jail/share-limits.ts';
import { sharePlaces, shareServiceUnit, shareSocketUnit } from '../jail/share-places.ts';
import { guestSlice, guestUnit, type HostRoots } from '../model/paths.ts';

const head = '# Made by Stockade: edits show as drift and are undone.\n';

/**
 * The socket on which a helper waits for its QEMU: in a directory that only root may enter, for one connection. Where `Accept=yes`,
 * systemd makes the pair of sockets, and the helper gets its end of it.
 */
function shareSocketText(guest: string, share: HelperShare, index: number, roots: HostRoots): string {
  const accepts = share.driver.kind === 'proxy';
  return `${head}[Unit]
Description=Stockade guest ${guest}, share ${share.tag}
PartOf=${guestUnit(guest)}
StartLimitIntervalSec=0

[Socket]
ListenStream=${sharePlaces(guest, index, roots).socket}
SocketMode=0600
DirectoryMode=0700
RemoveOnStop=yes
Accept=${accepts ? 'yes\nMaxConnections=1' : 'no'}
`;
}

/**
 * Nobody else connects once QEMU has, so the socket is over then. The helper's end is the guest's end, and the other way round
 * (`launch over`; by BindsTo= a restart of the guest would start helpers before their guest). `Before`: it serves until its guest has gone down, and a guest that is started again waits until the last one's helper is over.
 */
function shareServiceText(guest: string, share: HelperShare, index: number, roots: HostRoots): string {
  const { script } = sharePlaces(guest, index, roots);
  const { memoryMib, tasks, cpuPercent } = helperCgroupLimits(share);
  return `${head}[Unit]
Description=Stockade guest ${guest}, helper of share ${share.tag}
Before=${guestUnit(guest)}
CollectMode=inactive-or-failed
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart=${script} run ${share.tag}
ExecStartPost=-systemctl stop --no-block -- ${shareSocketUnit(guest, share.tag)}
ExecStopPost=-${script} over ${share.tag}
Slice=${guestSlice}
KillMode=control-group
TimeoutStopSec=10
Restart=no
StandardInput=${share.driver.kind === 'proxy' ? 'socket' : 'null'}
StandardOutput=null
StandardError=journal
LogRateLimitIntervalSec=30
LogRateLimitBurst=100
UMask=0077
LimitNOFILE=${helperRlimits(share).nofile}
MemoryMax=${memoryMib}M
MemorySwapMax=0
TasksMax=${tasks}
CPUQuota=${cpuPercent}%
DevicePolicy=strict
DeviceAllow=/dev/null rw
RestrictAddressFamilies=AF_UNIX
SystemCallFilter=~${deniedCalls.join(' ')}
SystemCallErrorNumber=EPERM
SystemCallArchitectures=native
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictRealtime=yes
`;
}

/**
 * Calls that neither the script nor a helper makes: groups of systemd.exec(5), and what is in none of them. Mounts and namespaces are
 * the script's, so they stay; a user namespace is not to be had from within a chroot (user_namespaces(7)).
 */
const deniedCalls = [
  '@clock',
  '@cpu-emulation',
  '@debug',
  '@keyring',
  '@module',
  '@obsolete',
  '@raw-io',
  '@reboot',
  '@swap',
  'bpf',
  'io_uring_setup',
  'userfaultfd',
];

/** The unit files of one share by name. */
export function shareUnits(
  guest: string,
  share: HelperShare,
  index: number,
  roots: HostRoots,
): readonly (readonly [string, string])[] {
  return [
    [shareSocketUnit(guest, share.tag), shareSocketText(guest, share, index, roots)],
    [shareServiceUnit(guest, share.tag, share.driver.kind), shareServiceText(guest, share, index, roots)],
  ];
}
