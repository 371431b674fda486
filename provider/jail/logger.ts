import { sh, type ShellText, word } from '../model/shell.ts';
import type { LauncherStep } from './step.ts';

/** How much of QEMU's own stderr is kept. Unit: KiB. */
export const stderrLogMaxKib = 256;
export const logSegments = 2;

/** Kinds of log of a guest, each in two segments NAME.0 and NAME.1. */
export const logNames = ['serial', 'stderr'] as const;
export type LogName = (typeof logNames)[number];

/** Limits of each logger beside the size of a file, which is a segment's. */
export const loggerLimits = { core: 0, nofile: 16, msgqueue: 0, memlock: 0, locks: 0 } as const;

export function segmentBytes(logMaxKib: number): number {
  return Math.floor((logMaxKib * 1024) / logSegments);
}

/**
 * What a logger runs: stdin to whichever of the descriptors 3 and 4 is the older segment, and over to the other one, emptied,
 * when a segment is full. It stops at the end of input alone; on a full disk it drops what it holds and tries again.
 * How much is in a segment it reads from its own descriptor: no process, and no pipe that would show among its open files.
 */
const loggerProgram: ShellText = sh`segment=3
[ ! /proc/self/fd/3 -nt /proc/self/fd/4 ] || segment=4
while :; do
  : >"/proc/self/fd/$segment"
  if stdbuf -o0 head -c "$1" >&"$segment"; then
    read -r key size <"/proc/self/fdinfo/$segment"
    [ "$size" -ge "$1" ] || exit 0
  else
    sleep 1
  fi
  segment=$((7 - segment))
done`;

export function loggersStep(serialLogMaxKib: number): LauncherStep {
  return {
    name: 'loggers',
    comment: sh`What QEMU prints goes through pipes to unprivileged loggers that hold descriptors alone, and stop when all is written`,
    body: sh`  logger=${word(loggerProgram.text)}
  command exec 5<>"$run/stderr" 6<"$run/stderr" 7>"$run/stderr" 5>&- || fail "cannot open $run/stderr"
  start_logger stderr ${segmentBytes(stderrLogMaxKib)} 7>&-
  command exec 6<&- 5<>"$run/serial" 6<"$run/serial" 8>"$run/serial" 5>&- || fail "cannot open $run/serial"
  start_logger serial ${segmentBytes(serialLogMaxKib)} 7>&- 8>&-
  exec 6<&-`,
  };
}

/** start_logger LOG BYTES: reads descriptor 6; deaf to the signal that ends the unit, so that it drains. */
export const startLogger: ShellText = sh`# start_logger LOG BYTES: a logger that reads descriptor 6 until its end, deaf to the unit's own end so that it drains
start_logger() {
  (
    trap '' HUP INT TERM
    exec prlimit --fsize="$2" ${limitOptions()} \\
      setpriv --reuid="$logger_uid" --regid="$logger_gid" --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all \\
      sh -c "$logger" stockade-logger "$2" <&6 6<&- >/dev/null 2>&1 3>>"$log/$1.0" 4>>"$log/$1.1"
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
