import { filesStep } from '../../jail/files.ts';
import { launcherHead } from '../../jail/launcher-head.ts';
import { leaseStep } from '../../jail/lease.ts';
import {
  logFunctions,
  loggerProgram,
  segmentBytes,
  startLogger,
  stderrLogMaxKib,
} from '../../jail/logger.ts';
import { closeInherited } from '../../jail/open-files.ts';
import { guestPlaces } from '../../jail/places.ts';
import { callSteps, type LauncherStep, renderSteps, stepExitCodes } from '../../jail/step.ts';
import { reapFunctions } from '../../jail/strays.ts';
import { type HostFile, trustedFilesStep, trustFunction } from '../../jail/trusted-files.ts';
import { holdFunctions, reapStep } from '../../jail/uid-hold.ts';
import { userStep } from '../../jail/user.ts';
import { defaultRoots, type HostRoots } from '../../model/paths.ts';
import { joined, sh, type ShellText, word } from '../../model/shell.ts';
import { restartLimit, restartWindowSeconds, type XlPlan } from './plan.ts';
import { domainFunctions, domainStep, stopFunction } from './domain.ts';
import { rangeUserStep } from './range-user.ts';

/** Xen's SHUTDOWN_reboot, as `xl list -v` shows it. */
const rebootReason = '1';
/** A guest whose device model is gone stands still, and nobody else notices. */
const lookSeconds = 5;

/**
 * The launcher of one guest of xl's: a POSIX sh script to be read by people, at `guestPlaces(guest).launcher`, mode 0700, run by the
 * guest's unit as the other toolstack's is. Verbs: `run` (the unit's main process, with xl below it), `stop` and `over`. Errors go
 * to stderr, to the file `launchError`, and into the exit code (`stepExitCodes`).
 */
export function xlLauncherScript(plan: XlPlan, roots: HostRoots = defaultRoots): string {
  const places = guestPlaces(plan.guest, roots);
  // of a range the uid is libxl's, which also ends it
  const leased = plan.scheme !== 'range';
  const user = leased ? userStep() : rangeUserStep();
  const steps = [
    ...[leaseStep(), user, trustedFilesStep(xlFiles(plan).map(({ file }) => file))],
    ...[domainStep(plan), filesStep(fifos), launchStep(plan)],
  ];
  const head = launcherHead(plan.guest, {
    summary: sh`Starts and stops the guest ${word(plan.guest)} by Xen's xl.`,
    verbs: [
      sh`run     what the guest's unit starts: makes the domain, and stays for as long as it is there`,
      sh`stop    asks the guest to power off, waits, then ends its domain`,
      sh`over    when the unit is over: ends what is left of the guest`,
    ],
    variables: {
      uuid: plan.uuid,
      lease: places.lease,
      log: places.logDirectory,
      run: places.runDirectory,
      launch_error: places.launchError,
    },
  });
  return sh`${head}

${domainFunctions}

${trustFunction}

${leased ? sh`${reapFunctions}\n${holdFunctions(roots)}\n\n${startLogger}` : startLogger}
${logFunctions}

${renderSteps([...steps, ...(leased ? [reapStep()] : [])])}

${stopFunction(plan.shutdownTimeoutSeconds)}

case \${1-} in
  run)
    ${closeInherited}
    [ ! -f "$launch_error" ] || : >"$launch_error"
${callSteps(steps)}
    ;;
  stop) stop_guest ;;
  over)
    ${closeInherited}
    left=''
    end_domain || left=$domid
    remove_roots
${leased ? sh`${callSteps([leaseStep(), reapStep()])}\n` : sh``}    step=domain code=${stepExitCodes.domain}
    [ -z "$left" ] || fail "the domain of the guest (domid $left) cannot be ended"
    ;;
  *)
    echo 'usage: launch run | stop' >&2
    exit 64
    ;;
esac
`.text;
}

/** What xl opens or starts as root, with the key of xl.cfg by which it is told. */
function xlFiles({ deviceModel, kernel, initrd }: XlPlan): readonly XlFile[] {
  return [
    { key: sh`device_model_override`, file: { variable: sh`device_model`, path: deviceModel.path } },
    { key: sh`kernel`, file: { variable: sh`guest_kernel`, path: kernel } },
    ...(initrd === undefined
      ? []
      : [{ key: sh`ramdisk`, file: { variable: sh`guest_initrd`, path: initrd } }]),
  ];
}

interface XlFile {
  readonly key: ShellText;
  readonly file: HostFile;
}

/** Strings of xl.cfg know two characters by an escape (`configString` has the others, which no name of a file here has). */
function writeFiles(files: readonly XlFile[]): ShellText {
  const names = joined(files.map(({ file }) => sh`"$${file.variable}"`));
  return sh`  for file in ${names}; do
    case $file in *[[:cntrl:]]*) fail "a control character is in the name $file" ;; esac
  done
  printf ${word(files.map(({ key }) => `${key.text} = %s\\n`).join(''))} ${names} |
    sed 's/["\\\\]/\\\\&/g; s/ = /&"/; s/$/"/' >>"$run/xl.cfg" || fail "cannot write $run/xl.cfg"
`;
}

/** QEMU opens PATH.in and PATH.out of a pipe, each both ways: had the log one name for both, the guest would read what it prints. */
const fifos = ['serial', 'serial.in', 'stderr'] as const;

/**
 * A domain has started when it is no longer paused: libxl lets it go last, once its device model has told that it runs, which is after it
 * has changed root, user and handles. A domain that has ended but for xl's record of it crashed, or wants to start again: that it does here,
 * below the same unit, unless it does nothing else. xl does not see a device model end: the guest would stand still for good.
 */
function launchStep(plan: XlPlan): LauncherStep {
  return {
    name: 'launch',
    comment: sh`xl, with the device model that it starts, in the unit's own control group; both ends of the pipes are opened first`,
    body: sh`  printf '%s' ${word(plan.config)} >"$run/xl.cfg" || fail "cannot write $run/xl.cfg"
${writeFiles(xlFiles(plan))}  case $user in xen-qemuuser-domid*) printf 'device_model_user = "%s"\\n' "$user" >>"$run/xl.cfg" ;; esac
  ln -sfn serial "$run/serial.out" || fail "cannot make $run/serial.out"
  command exec 3<>"$run/serial" 4<>"$run/stderr" || fail "cannot open $run/stderr"
  logger=${word(loggerProgram.text)}
  start_logger stderr ${segmentBytes(stderrLogMaxKib)}
  said=$!
  start_logger serial ${segmentBytes(plan.serialLogMaxKib)}
  starts=0
  while :; do
    xl create -F "$run/xl.cfg" </dev/null >&4 2>&1 3>&- 4>&- &
    xl=$!
    until is_up; do
      if ! is_running "$xl"; then
        status=0
        wait "$xl" || status=$?
        exec 4>&-
        wait "$said" || :
        [ "$status" -ne 0 ] || fail 'the guest powered off as soon as it was started'
        fail "xl made no domain (exit status $status): $(why_not)"
      fi
      sleep 1
    done
    model=$(xenstore-read "/local/domain/$domid/image/device-model-pid") || model=''
    systemd-notify --ready --status="domain $domid"
    until timeout ${lookSeconds} tail --pid="$xl" -s 0.2 -f /dev/null; do
      is_abandoned "$model" || continue
      end_domain || :
      fail "the device model of domain $domid ended: its last words are in /var/log/xen/qemu-dm-$guest.log"
    done
    wait "$xl" || :
    look_for_domain || fail 'xl list gives no answer'
    [ -n "$domid" ] || return 0
    why=$reason
    end_domain || fail "domain $domid cannot be ended"
    [ "$why" = ${word(rebootReason)} ] || fail "the guest crashed (domain $domid, reason $why): its last words are in $log/serial.0 and serial.1"
    IFS=. read -r now _ </proc/uptime
    if [ "$starts" -eq 0 ] || [ "$((now - since))" -gt ${restartWindowSeconds} ]; then starts=0 since=$now; fi
    starts=$((starts + 1))
    [ "$starts" -le ${restartLimit} ] ||
      fail "the guest starts again over and over (${restartLimit} times in ${restartWindowSeconds} s): its last words are in $log/serial.0 and serial.1"
  done`,
  };
}
