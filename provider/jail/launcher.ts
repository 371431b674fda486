import { defaultRoots, guestUnit, type HostRoots } from '../model/paths.ts';
import { sh, type ShellText, word } from '../model/shell.ts';
import { capabilitiesCommand } from './capabilities.ts';
import { chrootArguments, chrootStep } from './chroot.ts';
import { deviceNodesStep } from './device-nodes.ts';
import { disksStep } from './disks.ts';
import { filesStep } from './files.ts';
import type { LaunchPlan } from './launch-plan.ts';
import { helperShares } from './launch-share.ts';
import { launcherHead } from './launcher-head.ts';
import { leaseStep } from './lease.ts';
import { localShareFunctions, procCommand } from './local-shares.ts';
import { confineGuest, labelStep } from './lsm.ts';
import { loggersStep, pipesStep, startLogger } from './logger.ts';
import { namespacesStep, pidNamespaceCommand } from './namespaces.ts';
import { closeInherited, lastRedirections } from './open-files.ts';
import { type GuestPlaces, guestPlaces } from './places.ts';
import { rlimitsCommand } from './rlimits.ts';
import { leaveLocks } from './share-lock.ts';
import { shareUnitPrefix } from './share-places.ts';
import { seccompArguments } from './seccomp.ts';
import { callSteps, type LauncherStep, renderSteps } from './step.ts';
import { stopFunction } from './stop.ts';
import { reapFunctions } from './strays.ts';
import { qemuCommand, qemuFiles, trustedFilesStep, trustFunction } from './trusted-files.ts';
import { holdFunctions, reapStep } from './uid-hold.ts';
import { userArguments, userStep } from './user.ts';
import { enterViewStep, viewFunctions, viewStep } from './view.ts';

/**
 * The launcher of one guest: a POSIX sh script to be read by people, kept at `guestPlaces(guest).launcher`, mode 0700, and
 * run by the guest's unit. Verbs: `run` (the unit's main process: in the end the parent of QEMU's pid namespace), `inside`
 * (its second half, in the new namespaces), `stop` and `over`. docs/design/0020-launcher.md lists the steps in order.
 *
 * Errors go to stderr as `stockade-launch: STEP: TEXT`, to the file `guestPlaces(guest).launchError`, and into the exit code
 * (`stepExitCodes`).
 */
export function launcherScript(plan: LaunchPlan, roots: HostRoots = defaultRoots): string {
  const places = guestPlaces(plan.guest, roots);
  const outside = [leaseStep(), userStep(), chrootStep(), filesStep(), namespacesStep(plan)];
  const inside = [
    trustedFilesStep(qemuFiles(plan)),
    // while the host's files are still there
    disksStep(plan),
    ...(inView(plan)
      ? [viewStep(plan, places), deviceNodesStep(plan), labelStep(plan), enterViewStep()]
      : [deviceNodesStep(plan), labelStep(plan)]),
    pipesStep(),
    loggersStep(plan),
    launchStep(plan, places),
  ].filter((step) => step !== undefined);
  const head = launcherHead(plan.guest, {
    summary: sh`Starts and stops the guest ${word(plan.guest)}.`,
    verbs: [
      sh`run     what the guest's unit starts: prepares the jail, ends as the parent of QEMU's pid namespace`,
      sh`inside  the second half of run, in the new namespaces`,
      sh`stop    presses the guest's power button, waits, then ends QEMU`,
      sh`over    when the unit is over: ends what is left of the guest's processes`,
    ],
    variables: {
      launcher: places.launcher,
      lease: places.lease,
      log: places.logDirectory,
      run: places.runDirectory,
      chroot: places.chroot,
      view: places.view,
      launch_error: places.launchError,
    },
  });
  return sh`${head}

${reapFunctions}
${holdFunctions(roots)}

${trustFunction}

${inView(plan) ? sh`${viewFunctions}\n\n${startLogger}` : startLogger}${localShareFunctions(plan, roots)}

${renderSteps([...outside, ...inside, reapStep()])}

${stopFunction(plan.shutdownTimeoutSeconds)}

case \${1-} in
  run)
    ${closeInherited}
    [ ! -f "$launch_error" ] || : >"$launch_error"
${callSteps(outside)}
    ;;
  inside)
    uid=$2 gid=$3 shared=$4 logger_uid=$5 logger_gid=$6
${callSteps(inside)}
    ;;
  stop) stop_guest ;;
  over)
    ${closeInherited}
${endHelpers(plan)}${leaveLocks(plan.shares)}${callSteps([leaseStep(), reapStep()])}
    ;;
  *)
    echo 'usage: launch run | stop' >&2
    exit 64
    ;;
esac
`.text;
}

/**
 * Helpers of its shares end by themselves when QEMU lets go of them; one that does not is ended. What listens for a QEMU that has not come to
 * connect is over too, but for a start that is on its way: it is that one's by now.
 */
function endHelpers({ guest, shares }: LaunchPlan): ShellText {
  if (helperShares(shares).length === 0) return sh``;
  const [services, sockets] = [`${shareUnitPrefix(guest)}*.service`, `${shareUnitPrefix(guest)}*.socket`];
  return sh`    set -- ${word(services)}
    [ -n "$(systemctl show --value --property=Job -- ${word(guestUnit(guest))})" ] || set -- "$@" ${word(sockets)}
    systemctl stop --no-block -- "$@" || :\n`;
}

/** A guest in the host's own mount namespace sees the host's files. */
function inView({ requests }: LaunchPlan): boolean {
  return requests['mount-namespace'] === 'on';
}

/** The last command: each word of it is one layer's. */
function launchStep(plan: LaunchPlan, places: GuestPlaces): LauncherStep {
  return {
    name: 'launch',
    comment: sh`QEMU, process 1 of its own pid namespace: limited, without privileges to gain, it then drops root and locks itself in`,
    body: sh`  own_user=yes
  [ "$shared" = no ] || own_user=''
${confineGuest(plan)}  command exec </dev/null || fail 'there is no /dev/null'
  exec ${rlimitsCommand(plan)} \\
    ${pidNamespaceCommand(plan)} \\
    ${procCommand(plan)}${capabilitiesCommand(plan)} \\
    ${qemuCommand(plan)} \\
    ${userArguments(plan)} \\
    ${plan.requests.chroot === 'on' ? chrootArguments(plan, places.chroot) : sh``} \\
    ${seccompArguments(plan)} \\
    ${lastRedirections}`,
  };
}
