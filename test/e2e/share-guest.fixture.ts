import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sh, word, words } from '../../provider/model/shell.ts';
import { guestCommandLine } from '../lab/guest/init.ts';
import { buildShareGuest } from '../lab/guest/share-image.ts';
import { readShareReport, type ShareReport } from '../lab/guest/share-report.ts';
import type { LabHost } from '../lab/lab.ts';

/** A way to share a directory with plain QEMU, without any isolation. */
export type PlainDriver = 'mapped-xattr' | 'mapped-file' | 'none' | 'proxy' | 'virtiofs';

export interface PlainShare {
  readonly tag: string;
  readonly driver: PlainDriver;
  readonly readonly?: boolean;
}

/** Where the guest's files are on a host. */
export async function placeShareGuest(host: LabHost): Promise<void> {
  const image = await buildShareGuest();
  host.copyIn(image.unpackedKernel, '/root/share-kernel');
  host.copyIn(image.initrd, '/root/share-initrd');
}

const exportOf = (share: PlainShare) => `/srv/export/${share.tag}`;
const socketOf = (share: PlainShare) => `/run/share-${share.tag}.sock`;

/** The exported directories; a read-only one holds what the guest's task looks for. */
export function makeExports(host: LabHost, shares: readonly PlainShare[]): void {
  for (const share of shares) {
    const directory = host.pathFromHere(exportOf(share));
    mkdirSync(join(directory, share.readonly === true ? 'directory' : ''), { recursive: true });
    if (share.readonly !== true) continue;
    writeFileSync(join(directory, 'file'), 'read-only share\n');
    writeFileSync(join(directory, 'directory/inner'), '');
    symlinkSync('file', join(directory, 'link'));
  }
}

/** Starts what serves the share beside QEMU; it ends when QEMU does. */
async function startHelper(host: LabHost, share: PlainShare): Promise<void> {
  const [source, socket] = [exportOf(share), socketOf(share)];
  if (share.driver === 'proxy') {
    const argv = ['/usr/lib/qemu/virtfs-proxy-helper', '-p', source, '-s', socket, '-u', '0', '-g', '0'];
    await host.run(words(argv));
  } else if (share.driver === 'virtiofs') {
    // The C one cannot give a share read-only itself: a mount below it does.
    await host.run(sh`source=${word(source)} socket=${word(socket)}
if [ -e /usr/libexec/virtiofsd ]; then
  set -- /usr/libexec/virtiofsd --shared-dir="$source" --xattr ${words(share.readonly === true ? ['--readonly'] : [])}
else
  if ${word(share.readonly === true ? 'true' : 'false')}; then mount --bind "$source" "$source" && mount -o remount,bind,ro "$source"; fi
  set -- /usr/lib/qemu/virtiofsd -o source="$source" -o xattr
fi
setsid "$@" --socket-path="$socket" </dev/null >/root/virtiofsd.log 2>&1 &
for try in $(seq 300); do [ -S "$socket" ] && exit; sleep 0.1; done; cat /root/virtiofsd.log >&2; exit 1`);
  }
}

/** QEMU's arguments for one share. */
function shareArguments(share: PlainShare): readonly string[] {
  const { tag, driver } = share;
  const ro = share.readonly === true ? ',readonly=on' : '';
  const ninep = ['-device', `virtio-9p-pci,fsdev=${tag},mount_tag=${tag}`];
  if (driver === 'virtiofs') {
    const chardev = ['-chardev', `socket,id=${tag},path=${socketOf(share)}`];
    return [...chardev, '-device', `vhost-user-fs-pci,chardev=${tag},tag=${tag}`];
  }
  return driver === 'proxy'
    ? ['-fsdev', `proxy,id=${tag},socket=${socketOf(share)}${ro}`, ...ninep]
    : ['-fsdev', `local,id=${tag},path=${exportOf(share)},security_model=${driver}${ro}`, ...ninep];
}

/** Boots the guest with the shares and returns its report; `task` is the rest of the kernel's command line. */
export async function runShareGuest(
  host: LabHost,
  shares: readonly PlainShare[],
  task: string,
): Promise<ShareReport> {
  for (const share of shares) await startHelper(host, share);
  const types = shares.map(({ tag, driver, readonly }) => {
    const type = driver === 'virtiofs' ? 'virtiofs' : '9p';
    return `share=${tag}:${type}${readonly === true ? ':ro' : ''}`;
  });
  const argv = [
    ...['qemu-system-x86_64', '-accel', 'tcg', '-m', '384', '-nodefaults', '-display', 'none', '-no-reboot'],
    // virtiofsd maps the guest's memory, so that has to be shared
    ...['-object', 'memory-backend-memfd,id=ram,size=384M,share=on'],
    ...['-machine', 'q35,memory-backend=ram'],
    ...['-kernel', '/root/share-kernel', '-initrd', '/root/share-initrd'],
    // one that panics ends; the check of the timer fails on a busy machine under emulation
    ...[
      '-append',
      [guestCommandLine, 'panic=-1', 'no_timer_check', ...types, task].join(' '),
      '-serial',
      'file:/root/share-serial',
    ],
    ...shares.flatMap((share) => shareArguments(share)),
  ];
  const ended = await host.exec(sh`rm -f /root/share-serial; exec timeout --signal=KILL 280 ${words(argv)}`);
  const said = readFileSync(host.pathFromHere('/root/share-serial'));
  if (ended.exitCode !== 0) {
    const last = said.subarray(-4000).toString('latin1');
    throw new Error(`the guest ended with ${ended.exitCode}: ${ended.stderr}\nits last words:\n${last}`);
  }
  return readShareReport(said);
}
