import type { HostRoots } from '../model/paths.ts';
import { lines, sh, type ShellText, word } from '../model/shell.ts';
import type { LaunchPlan } from './launch-plan.ts';
import { type LaunchShare, makesRealFiles } from './launch-share.ts';
import type { MountObservation } from './observation.ts';
import { closeLocks, launcherLockFunctions, lockedShares, lockLocalShare } from './share-lock.ts';
import { localSharePlace } from './share-places.ts';
import { enterSource, refuseExposed } from './share-source.ts';

interface LocalShare {
  readonly share: LaunchShare;
  readonly index: number;
}

/** Shares that QEMU serves itself, with their numbers among all. */
function localShares({ shares }: Pick<LaunchPlan, 'shares'>): readonly LocalShare[] {
  return shares
    .map((share, index) => ({ share, index }))
    .filter(({ share }) => share.driver.kind === 'local');
}

/** Security models that keep owners and modes by names below /proc/self/fd: QEMU's 9p-util (7.2 and 10.0, tried). */
function needsProc({ share }: LocalShare): boolean {
  return share.driver.kind === 'local' && share.driver.securityModel !== 'mapped-file';
}

/** QEMU needs a /proc of its own to serve a share: that of its pid namespace, mounted once it is in there. */
export function showsProc(plan: Pick<LaunchPlan, 'shares' | 'requests'>): boolean {
  return (
    plan.requests['mount-namespace'] === 'on' &&
    plan.requests['pid-namespace'] === 'on' &&
    localShares(plan).some(needsProc)
  );
}

/** Part of the launcher's functions, where there are any. */
export function localShareFunctions({ shares }: Pick<LaunchPlan, 'shares'>, roots: HostRoots): ShellText {
  const own = localShares({ shares });
  if (own.length === 0) return sh``;
  const exposed = own.some(({ share }) => makesRealFiles(share)) ? [refuseExposed] : [];
  return sh`\n\n${lines([enterSource, ...exposed])}${launcherLockFunctions(shares, roots)}`;
}

/**
 * Part of the step `view`: directories that QEMU serves itself, each entered and looked at, then mounted by what was looked at. Without
 * set-user-id programs and devices, and read-only where the guest only reads.
 */
export function showLocalShares(plan: LaunchPlan): ShellText {
  const shown = localShares(plan);
  if (shown.length === 0) return sh``;
  return sh`
  # show_share DIRECTORY PLACE OPTIONS [real]: the directory itself, whatever its name leads to by then
  show_share() {
    mkdir -p -- "$view$2" || fail "cannot fill $view"
    (
      source=$1 record=$run/share-\${2##*/}.source
      enter_source
      case ,$3, in *,ro,*) ;; *)
        setpriv --reuid="$uid" --regid="$gid" --clear-groups test -w . ||
          fail "the guest's user may not write to $source: give it to uid $uid (chown $uid), or share it readonly" ;;
      esac
      [ "\${4-}" != real ] || refuse_exposed
      mount --no-canonicalize -o bind . "$view$2" && mount -o "remount,bind,$3" "$view$2" ||
        fail "cannot mount $source for QEMU to see: journalctl --unit=stockade-guest@$guest says why"
    ) || exit
  }
${lines([...shown.map(showShare), ...lockedShares(plan.shares).map(lockLocalShare)])}`;
}

function showShare({ share, index }: LocalShare): ShellText {
  const options = share.readonly ? 'ro,nosuid,nodev' : 'nosuid,nodev';
  const real = makesRealFiles(share) ? sh` real` : sh``;
  return sh`  show_share ${word(share.source)} ${word(localSharePlace(index))} ${word(options)}${real}`;
}

/** Part of the last command, between the pid namespace and what QEMU is started by: a /proc, and no lock for QEMU. */
export function procCommand(plan: LaunchPlan): ShellText {
  const closed = closeLocks(plan.shares);
  if (!showsProc(plan) && closed.text === '') return sh``;
  const mount = showsProc(plan) ? sh`mount -t proc -o nosuid,nodev,noexec stockade-proc /proc && ` : sh``;
  return sh`sh -c '${mount}exec "$@"${closed}' sh \\
    `;
}

/** Whether that is where QEMU's view has a share which it serves itself. */
export function isLocalShare(mountPoint: string, plan: Pick<LaunchPlan, 'shares'>): boolean {
  return shareAt(mountPoint, plan) !== undefined;
}

function shareAt(mountPoint: string, plan: Pick<LaunchPlan, 'shares'>): LaunchShare | undefined {
  return localShares(plan).find(({ index }) => mountPoint === localSharePlace(index))?.share;
}

/** What of a share's mount in QEMU's view is not as it was made. */
export function localShareFaults(
  { mountPoint, options }: MountObservation,
  plan: Pick<LaunchPlan, 'shares'>,
): readonly string[] {
  const found = options.split(',');
  const readonly = shareAt(mountPoint, plan)?.readonly === true;
  return ['nosuid', 'nodev', ...(readonly ? ['ro'] : [])]
    .filter((option) => !found.includes(option))
    .map((option) => `${JSON.stringify(mountPoint)} is not ${option}`);
}
