import { type HelperShare, helperShares, type LaunchShare } from '../jail/launch-share.ts';
import type { LaunchPlan } from '../jail/launch-plan.ts';
import { type HelperLabel, helperLabel } from '../jail/lsm.ts';
import { guestPlaces } from '../jail/places.ts';
import { helperBounding, helperRlimits } from '../jail/share-limits.ts';
import { sharePlaces, shareUnitPrefix } from '../jail/share-places.ts';
import { trustFunction } from '../jail/trusted-files.ts';
import { guestUnit, type HostRoots } from '../model/paths.ts';
import { lines, sh, type ShellText, word, words } from '../model/shell.ts';
import { proxyCommand } from './proxy.ts';
import { sourceFunctions } from './source.ts';
import { helperViewFunctions } from './view.ts';
import { isVirtiofs, virtiofsCommand } from './virtiofs.ts';

/** Exit status of a helper whose start has failed. */
const startFailed = 56;

/** What of a guest the script of its helpers is made from. */
interface SharesPlan {
  readonly guest: string;
  readonly shares: readonly LaunchShare[];
  readonly restartPolicy: 'never' | 'on_crash';
  readonly requests: LaunchPlan['requests'];
}

/**
 * One readable sh script for all helpers of a guest, run by their units. Verbs: `run TAG` (the unit's main process: in the end the parent
 * of the helper's pid namespace), `inside TAG` (its second half, in the new namespaces), `over TAG` (when the helper has ended). An error goes to
 * stderr and to the guest's `launch-error`: QEMU, which finds nobody at the other end, ends with it.
 */
export function sharesScript(plan: SharesPlan, roots: HostRoots): string {
  const places = guestPlaces(plan.guest, roots);
  const numbered = plan.shares.map((share, index) => ({ share, index }));
  const served = helperShares(plan.shares).map((share) => ({
    share,
    index: numbered.find((one) => one.share === share)?.index ?? 0,
  }));
  const label = helperLabel(plan.requests);
  return sh`#!/bin/sh
# Starts the helpers that share directories of the host with the guest ${word(plan.guest)}. Made by Stockade: edits show as drift and are undone.
#   shares run TAG     what the helper's unit starts: looks at the directory, prepares the jail, ends as the parent of the helper's pid namespace
#   shares inside TAG  the second half of run, in the new namespaces
#   shares over TAG    when the helper has ended: its guest does not go on without it
set -eu
# a helper whose guest wants a larger file than it may have is told so, and not ended
trap '' XFSZ
umask 077
PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
export PATH LC_ALL

script=${word(`${places.stateDirectory}/shares`)}
unit=${word(guestUnit(plan.guest))}
launch_error=${word(places.launchError)}
locks=${word(roots.run)}

# fail TEXT: ends the start of the helper, says at which step and why
fail() {
  printf 'stockade-share %s: %s: %s\\n' "$tag" "$step" "$1" >&2
  printf 'share %s: %s: %s\\n' "$tag" "$step" "$1" >"$launch_error" || :
  exit ${startFailed}
}

${trustFunction}

${sourceFunctions}

${helperViewFunctions}
${label.functions}
# Each directory under limits of its own, by the helper that was chosen for it
choose() {
  tag=$1
  case $tag in
${lines(served.map(({ share, index }) => settings(plan.guest, share, index, roots)))}
    *)
      echo "no share of this guest: $tag" >&2
      exit 64
      ;;
  esac
}

# The last command: the helper is process 1 of its own pid namespace, with a file server's privileges and no more to gain
start_helper() {
  step=helper
  case $tag in
${lines(served.map(({ share }) => startCase(share, label)))}
  esac
}

${overFunction(plan)}

case \${1-} in
  run)
    choose "\${2-}"
    look_at_source
    step=namespaces
    exec env -i PATH="$PATH" LC_ALL=C \\
      unshare --mount --propagation private --ipc --net --uts --cgroup \\
      /bin/sh "$script" inside "$tag"
    ;;
  inside)
    choose "\${2-}"
${label.open}    make_view
    start_helper
    ;;
  over)
    choose "\${2-}"
    over
    ;;
  *)
    echo 'usage: shares run TAG | over TAG' >&2
    exit 64
    ;;
esac
`.text;
}

function settings(guest: string, share: HelperShare, index: number, roots: HostRoots): ShellText {
  const places = sharePlaces(guest, index, roots);
  const yes = (value: boolean) => (value ? sh`yes` : sh`no`);
  const submounts = isVirtiofs(share) && share.driver.announceSubmounts;
  return sh`    ${word(share.tag)})
      source=${word(share.source)} readonly=${yes(share.readonly)} only_writer=${yes(share.onlyWriter)} submounts=${yes(submounts)}
      record=${word(places.record)} view=${word(places.view)} helper=${word(share.driver.helper)}
      service=${word(`${shareUnitPrefix(guest)}${share.tag}${share.driver.kind === 'proxy' ? '@*' : ''}`)}
      ;;`;
}

/**
 * virtiofsd wants a /proc before it makes one of its own. Read-only: what is below /proc/sys is root's to write, whatever privileges root has
 * left.
 */
const mountProc = sh`mount -t proc -o ro,nosuid,nodev,noexec stockade-proc /proc && `;

function startCase(share: HelperShare, label: HelperLabel): ShellText {
  // the unit sets the number of open files: systemd takes what the kernel allows
  const { nofile: _files, ...others } = helperRlimits(share);
  const limits = Object.entries(others).map(([name, value]) => `--${name}=${value}`);
  const bounding = ['-all', ...helperBounding(share).map((name) => `+${name}`)].join(',');
  const command = isVirtiofs(share) ? virtiofsCommand(share.driver) : proxyCommand(share.driver.helper);
  return sh`    ${word(share.tag)})
${label.confine(share.driver)}      exec prlimit ${words(limits)} \\
        unshare --pid --fork --kill-child \\
        sh -c '${isVirtiofs(share) ? mountProc : sh``}exec "$@" 4<&-${label.close}' sh \\
        setpriv --no-new-privs --bounding-set=${word(bounding)} --inh-caps=-all \\
        ${command}
      ;;`;
}

/**
 * A guest whose share is gone can do nothing about it (9p gives errors for ever, virtiofs waits for ever), so it is stopped as one stops a guest.
 * A helper that ended well ended because QEMU let go of it: mostly QEMU itself has ended then, and systemd is about to notice.
 */
function overFunction({ restartPolicy }: SharesPlan): ShellText {
  const verb = restartPolicy === 'on_crash' ? sh`restart` : sh`stop`;
  return sh`over() {
  [ "$readonly" = yes ] || leave_lock "$record"
  # the start of a helper that failed has said why
  [ "\${EXIT_STATUS-}" != ${startFailed} ] || said=yes
  systemctl is-active --quiet -- "$unit" || return 0
  if [ "\${SERVICE_RESULT-}" = success ]; then
    sleep 1
    systemctl is-active --quiet -- "$unit" || return 0
  fi
  [ -n "\${said-}" ] || printf 'share %s: its helper has ended (%s %s); the guest cannot go on without it; what it said: journalctl --unit=%s\\n' "$tag" "\${EXIT_CODE-}" "\${EXIT_STATUS-}" "$service" >"$launch_error" || :
  systemctl ${verb} --no-block -- "$unit"
}`;
}
