import { lines, sh, type ShellText, word, words } from '../model/shell.ts';
import { devMounts, showHostDevMounts } from './device-nodes.ts';
import { imagesByPath } from './disks.ts';
import { deviceModel, type Findings } from './judge.ts';
import { isLocalShare, localShareFaults, showLocalShares, showsProc } from './local-shares.ts';
import type { IsolationExpectation, LaunchPlan } from './launch-plan.ts';
import type { GuestObservation, MountObservation } from './observation.ts';
import type { GuestPlaces } from './places.ts';
import type { LauncherStep } from './step.ts';

/** The source of the view's root, as mountinfo shows it: no mount of the host is taken for it. */
export const viewSource = 'stockade-view';
/** The view's own root holds links, empty files and directories alone. Unit: bytes. */
export const viewSize = 65536;

/** Where kernel and initrd are in the view, whatever they are called on the host. */
const viewKernel = '/guest-kernel';
const viewInitrd = '/guest-initrd';

/** Programs and libraries; links to /usr on most hosts. */
export const programDirectories = ['/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32'] as const;
/** Single files: the index of libraries, and the number of the last capability, which setpriv asks for. */
export const hostFiles = ['/etc/ld.so.cache', '/proc/sys/kernel/cap_last_cap'] as const;
/** What belongs to a QEMU that was installed outside /usr, beside its own directory. */
const qemuDirectories = ['lib', 'lib64', 'libexec', 'share'] as const;

const readOnly = 'bind,ro,nosuid,nodev';

/** What of the host the view always shows, each at its own place; read-only but for the guest's own run directory and logs. */
function directories(places: GuestPlaces): readonly (readonly [string, string])[] {
  return [
    ['/usr', readOnly],
    [places.runDirectory, 'bind,nosuid,nodev,noexec'],
    [places.logDirectory, 'bind,nosuid,nodev,noexec'],
    [places.chroot, `${readOnly},noexec`],
  ];
}

/** Functions of the step: they print lines of fstab(5) and make what is mounted on. */
export const viewFunctions: ShellText = sh`# fstab_word TEXT: sets escaped to what fstab(5) has for it
fstab_word() {
  escaped='' rest=$1
  while :; do
    plain=\${rest%%[\\\\[:blank:]]*}
    escaped=$escaped$plain rest=\${rest#"$plain"}
    case $rest in
      '') return 0 ;;
      ' '*) escaped=$escaped'\\040' ;;
      '\\'*) escaped=$escaped'\\134' ;;
      *) escaped=$escaped'\\011' ;;
    esac
    rest=\${rest#?}
  done
}
# show PATH PLACE: a file or directory of the host, read-only, at that place of the view
show() {
  [ -d "$view\${2%/*}" ] || mkdir -p -- "$view\${2%/*}" || fail "cannot fill $view"
  if [ -d "$1" ]; then [ -d "$view$2" ] || mkdir -- "$view$2"; else : >"$view$2"; fi || fail "cannot fill $view"
  fstab_word "$1"
  shown=$escaped
  fstab_word "$view$2"
  printf '%s %s none %s 0 0\\n' "$shown" "$escaped" ${word(readOnly)}
}
# show_qemu: one that was installed outside /usr, with what lies beside it
show_qemu() {
  case $qemu_binary in /usr/* | /bin/* | /sbin/*) return 0 ;; esac
  show "$qemu_binary" "$qemu_binary"
  case $qemu_binary in */bin/*) ;; *) return 0 ;; esac
  for path in ${words(qemuDirectories)}; do
    [ ! -d "\${qemu_binary%/bin/*}/$path" ] || show "\${qemu_binary%/bin/*}/$path" "\${qemu_binary%/bin/*}/$path"
  done
}`;

/**
 * A root of the guest's own, made of what QEMU and the loggers need to start; nothing else of the host is in it. Made at
 * `$view`, entered by `enterViewStep`: in between /dev is filled from the host's.
 */
export function viewStep(plan: LaunchPlan, places: GuestPlaces): LauncherStep {
  const shown = directories(places);
  const made = [...shown.map(([path]) => path), '/dev', '/etc', '/host', '/proc/sys/kernel'];
  const mounts = [
    ...shown.map(([path, options]) => `${path} ${places.view}${path} none ${options} 0 0`),
    ...devMounts(plan, places.view),
  ];
  return {
    name: 'view',
    comment: sh`A root of its own with nothing of the host but programs, libraries and the guest's own files`,
    body: sh`  [ ! /proc/self/ns/mnt -ef /proc/1/ns/mnt ] || fail 'the mounts are those of the host itself'
  [ -d "$view" ] || mkdir -- "$view" || fail "cannot make $view"
  umask 022
  mount -t tmpfs -o mode=755,size=${viewSize},nosuid,nodev,noexec ${word(viewSource)} "$view" || fail "cannot mount $view"
  mkdir -p -- ${words(made.map((path) => `${places.view}${path}`))} || fail "cannot fill $view"
  set --
  {
    printf '%s\\n' \\
${lines(mounts.map((line) => sh`      ${word(line)} \\`))}
      || fail "cannot write $run/fstab"${showHostDevMounts(plan)}
    for path in ${words(programDirectories)}; do
      if [ -L "$path" ]; then set -- "$@" "$path"; elif [ -d "$path" ]; then show "$path" "$path"; fi
    done
    for path in ${words([...hostFiles, ...imagesByPath(plan.disks)])}; do
      [ ! -f "$path" ] || show "$path" "$path"
    done
    show_qemu
    [ -z "\${guest_kernel-}" ] || show "$guest_kernel" ${word(viewKernel)}
    [ -z "\${guest_initrd-}" ] || show "$guest_initrd" ${word(viewInitrd)}
  } >"$run/fstab"
  [ $# -eq 0 ] || cp -P -- "$@" "$view/" || fail "cannot fill $view"${ownName(plan)}
  mount --all --fstab "$run/fstab" || fail 'cannot mount what the guest is to see'${showLocalShares(plan)}
  umask 077`,
  };
}

/** A QEMU that takes no number looks up the name of its user: the view has that entry alone. */
function ownName({ confinement }: LaunchPlan): ShellText {
  if (confinement.user !== 'name') return sh``;
  return sh`
  getent passwd "$uid" >"$view/etc/passwd" || fail "uid $uid has no name, and this QEMU takes no number"`;
}

/** Read-only and entered, the host's root let go of: from here on nothing of it can be reached by any name. */
export function enterViewStep(): LauncherStep {
  return {
    name: 'enter-view',
    comment: sh`In its own root from here on; the host's is nowhere in it`,
    body: sh`  mount -o remount,ro "$view" && cd -- "$view" && pivot_root . host && chroot host umount --lazy / && cd / ||
    fail 'cannot enter the view'
  guest_kernel=${word(viewKernel)} guest_initrd=${word(viewInitrd)}`,
  };
}

/** Where the host's own mounts are seen instead, or more of it than the view has. */
export function viewFindings(observation: GuestObservation, expectation: IsolationExpectation): Findings {
  const { mounts } = observation;
  if (mounts === undefined) return { wrong: [], unknown: ['mounts could not be read'] };
  const root = mounts.filter(({ mountPoint }) => mountPoint === '/').at(-1);
  if (root === undefined) return { wrong: [], unknown: ['no root among the mounts'] };
  if (root.fileSystem !== 'tmpfs' || root.source !== viewSource) {
    return { wrong: ["its root is the host's"], unknown: [] };
  }
  const wrong: string[] = [];
  for (const mount of mounts) {
    const place = JSON.stringify(mount.mountPoint);
    const access = accessOf(mount, observation, expectation);
    if (access === undefined) wrong.push(`it shows ${place}`);
    else if (access === 'share') wrong.push(...localShareFaults(mount, expectation));
    else if (access === 'read' && !mount.options.split(',').includes('ro'))
      wrong.push(`${place} is writable`);
  }
  return { wrong, unknown: [] };
}

/** `undefined`: has no place in a view. What lies below /dev is the matter of that layer. */
function accessOf(
  { mountPoint, fileSystem }: MountObservation,
  observation: GuestObservation,
  expectation: IsolationExpectation,
): 'read' | 'write' | 'share' | undefined {
  if (isLocalShare(mountPoint, expectation)) return 'share';
  if (mountPoint === '/proc' && fileSystem === 'proc' && showsProc(expectation)) return 'write';
  const { runDirectory, logDirectory, chroot, imagesByPath } = expectation;
  if (mountPoint === runDirectory || mountPoint === logDirectory) return 'write';
  if (mountPoint === '/dev' || mountPoint.startsWith('/dev/')) return 'write';
  const own = [
    '/',
    '/usr',
    chroot,
    viewKernel,
    viewInitrd,
    ...programDirectories,
    ...hostFiles,
    ...imagesByPath,
  ];
  if (own.includes(mountPoint)) return 'read';
  // the executable is known by its device and inode; the kernel says where it lies
  const binaries = [expectation.qemuBinary, deviceModel(observation)?.executableTarget ?? ''];
  return binaries.some((binary) => belongsTo(binary, mountPoint)) ? 'read' : undefined;
}

function belongsTo(binary: string, mountPoint: string): boolean {
  if (mountPoint === binary) return true;
  const prefix = /^(.+)\/bin\/[^/]*$/.exec(binary)?.[1];
  return prefix !== undefined && qemuDirectories.some((name) => mountPoint === `${prefix}/${name}`);
}
