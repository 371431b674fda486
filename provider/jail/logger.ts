import { sh, type ShellText, word } from '../model/shell.ts';
import type { LaunchPlan } from './launch-plan.ts';
import { confineLoggers } from './lsm.ts';
import { serialDescriptor } from './open-files.ts';
import type { LauncherStep } from './step.ts';

/** How much of QEMU's own stderr is kept. Unit: KiB. */
export const stderrLogMaxKib = 256;
const logSegments = 2;

/** Kinds of log of a guest, each in two segments NAME.0 and NAME.1. */
export const logNames = ['serial', 'stderr'] as const;

/** Limits of each logger beside the size of a file, which is a segment's. */
export const loggerLimits = { core: 0, nofile: 16, msgqueue: 0, memlock: 0, locks: 0 } as const;

export function segmentBytes(logMaxKib: number): number {
  return Math.floor((logMaxKib * 1024) / logSegments);
}

/**
 * What a logger runs in the directory of the logs, with BYTES and LOG: stdin to whichever segment is the older one, and over to the other one, emptied, when
 * one is full. It stops at the end of input alone; on a full disk it drops what it holds and tries again. Whether a segment is full
 * it asks its last byte: no /proc is there to say how long a file is, and a pipe would show among the open files.
 */
export const loggerProgram: ShellText = sh`segment=0
[ ! "$2.0" -nt "$2.1" ] || segment=1
while :; do
  : >"$2.$segment"
  if stdbuf -o0 head -c "$1" >>"$2.$segment"; then
    if cmp -s -i "$(($1 - 1)):0" "$2.$segment" /dev/null; then exit 0; fi
  else
    sleep 1
  fi
  segment=$((1 - segment))
done`;

/** Opens the writing ends of the pipes: stdout for QEMU's stderr, 3 for its serial console. Stdin is taken (`labelStep`). */
export function pipesStep(): LauncherStep {
  return {
    name: 'pipes',
    comment: sh`What QEMU prints goes through pipes; opened for both directions first, so that no end waits for the other`,
    body: sh`  command exec 1<>"$run/stderr" && command exec >"$run/stderr" || fail "cannot open $run/stderr"
  command exec ${serialDescriptor}<>"$run/serial" && command exec ${serialDescriptor}>"$run/serial" || fail "cannot open $run/serial"`,
  };
}

/** After /dev is the guest's: what a shell starts in the background opens /dev/null, and must neither find it missing nor make it. */
export function loggersStep(plan: Pick<LaunchPlan, 'serialLogMaxKib' | 'requests'>): LauncherStep {
  return {
    name: 'loggers',
    comment: sh`At the other end of the pipes: unprivileged loggers, which stop when all is written`,
    body: sh`  logger=${word(loggerProgram.text)}
${confineLoggers(plan)}  start_logger stderr ${segmentBytes(stderrLogMaxKib)}
  start_logger serial ${segmentBytes(plan.serialLogMaxKib)}`,
  };
}

/**
 * start_logger LOG BYTES: reads the pipe of that name; deaf to the signal that ends the unit, so that it drains. The pipe is opened before
 * anything goes to the background: QEMU never writes to one that nobody reads.
 */
export const startLogger: ShellText = sh`# start_logger LOG BYTES: a logger that reads the pipe LOG until its end, deaf to the unit's own end so that it drains
start_logger() {
  logger_process "$@" 5<"$run/$1" || fail "cannot open $run/$1"
}
logger_process() {
  (
    trap '' HUP INT TERM
    # only root may come here from outside
    cd -- "$log" || exit
    exec prlimit --fsize="$2" ${limitOptions()} \\
      setpriv --reuid="$logger_uid" --regid="$logger_gid" --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all \\
      sh -c "$logger" stockade-logger "$2" "$1" <&5 >/dev/null 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
  ) &
}`;

function limitOptions(): ShellText {
  const { core, nofile, msgqueue, memlock, locks } = loggerLimits;
  return sh`--core=${core} --nofile=${nofile} --msgqueue=${msgqueue} --memlock=${memlock} --locks=${locks}`;
}

/**
 * stockade_log LOG_DIRECTORY LOG BYTES: prints the last bytes of a log, older segment first. For steps that report a guest that
 * died: `stockade_log /var/lib/stockade/guests/NAME/log stderr 2048`.
 */
export const logFunctions: ShellText = sh`stockade_log() {
  # what is written within one tick of the clock is of the same time: then the segment that is not full is the later one
  later=1
  if [ "$1/$2.0" -nt "$1/$2.1" ]; then later=0
  elif ! [ "$1/$2.1" -nt "$1/$2.0" ] && [ "$(stat -c %s -- "$1/$2.0")" -lt "$(stat -c %s -- "$1/$2.1")" ]; then later=0
  fi 2>/dev/null
  cat -- "$1/$2.$((1 - later))" "$1/$2.$later" 2>/dev/null | tail -c "$3"
}`;
