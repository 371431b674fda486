import { joined, sh, type ShellText, word } from '../model/shell.ts';
import type { HostRoots } from '../model/paths.ts';
import { isDescriptorDisk, maxDescriptorDisks } from '../spec/disk-rules.ts';
import type { LaunchDisk } from './launch-plan.ts';
import type { LaunchShare } from './launch-share.ts';

/**
 * The lock of who writes to a shared directory, in a file named after its device and inode: QEMU could hold one on the directory itself.
 * Whoever uses these has set `locks` (where the files are); the record of a directory is a line DEVICE INODE.
 *   lock_of RECORD      sets lock to the file's path; 1 where there is no record
 *   leave_lock RECORD   takes the file away, if nobody else has the lock
 */
export const lockFunctions: ShellText = sh`lock_of() {
  device='' inode=''
  [ ! -f "$1" ] || read -r device inode <"$1"
  case $device:$inode in :* | *: | *[!0-9:]*) return 1 ;; esac
  lock=$locks/share-$device-$inode.lock
}
# Goes with the last who has it; nothing that is done after that keeps others waiting
leave_lock() {
  lock_of "$1" && [ -f "$lock" ] || return 0
  command exec 4>>"$lock" || return 0
  ! flock -n -x 4 || rm -f -- "$lock"
  exec 4>&-
}`;

/** How long somebody else may have the lock before that counts as writing to the directory. */
const patienceSeconds = 2;

/**
 * Takes the lock `$lock` on a descriptor, as `$how` says; one whose file was removed meanwhile is none. Who leaves has it too for a moment, and
 * a guest that is about to be over a little longer: neither is a reason to refuse.
 */
export function takeLock(descriptor: number): ShellText {
  return sh`  while :; do
    command exec ${descriptor}>>"$lock" || fail "cannot open $lock"
    flock -w ${patienceSeconds} "$how" ${descriptor} || fail "another guest writes to $source; where both may, say writers = many in both"
    [ ! "$lock" -ef /proc/self/fd/${descriptor} ] || break
  done`;
}

/** A sole writer's lock is its alone. */
const lockOption = ({ onlyWriter }: LaunchShare): '-x' | '-s' => (onlyWriter ? '-x' : '-s');

/** sh has descriptors 0 to 9: those of disks go up from 4, these down from here. */
const lastDescriptor = 9;

/** Whether a guest's launcher has a descriptor for each disk that it opens, and for each lock of a share that QEMU serves itself. */
export function hasDescriptors(
  disks: readonly Pick<LaunchDisk, 'path' | 'readonly'>[],
  shares: readonly LaunchShare[],
): boolean {
  const locks = lockedShares(shares).length;
  return locks === 0 || disks.filter(isDescriptorDisk).length + locks <= maxDescriptorDisks;
}

interface LockedShare {
  readonly share: LaunchShare;
  /** Its number among the guest's shares. */
  readonly index: number;
  readonly descriptor: number;
}

/** Shares that QEMU writes to itself: the parent of its pid namespace holds their locks. */
export function lockedShares(shares: readonly LaunchShare[]): readonly LockedShare[] {
  return shares
    .map((share, index) => ({ share, index }))
    .filter(({ share }) => share.driver.kind === 'local' && !share.readonly)
    .map((each, number) => ({ ...each, descriptor: lastDescriptor - number }));
}

/** Part of the launcher's functions, where there is such a share. */
export function launcherLockFunctions(shares: readonly LaunchShare[], roots: HostRoots): ShellText {
  if (lockedShares(shares).length === 0) return sh``;
  return sh`\nlocks=${word(roots.run)}\n${lockFunctions}`;
}

/** When the guest is over. */
export function leaveLocks(shares: readonly LaunchShare[]): ShellText {
  const all = lockedShares(shares).map((locked) => sh`    leave_lock ${lockRecord(locked)}\n`);
  return joined(all, sh``);
}

/** Where the launcher records which directory that is. */
const lockRecord = ({ index }: LockedShare): ShellText => sh`"$run"/share-${index}.source`;

/** Part of the step `view`, once the directory was entered and recorded. */
export function lockLocalShare(locked: LockedShare): ShellText {
  const { share, descriptor } = locked;
  return sh`  source=${word(share.source)} how=${word(lockOption(share))}
  lock_of ${lockRecord(locked)} || fail "cannot read the record of $source"
${takeLock(descriptor)}`;
}

/** Redirections by which QEMU does not get them. */
export function closeLocks(shares: readonly LaunchShare[]): ShellText {
  return joined(
    lockedShares(shares).map(({ descriptor }) => sh` ${descriptor}>&-`),
    sh``,
  );
}
