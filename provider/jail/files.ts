import { sh, words } from '../model/shell.ts';
import type { LauncherStep } from './step.ts';

/** Of the monitor, the serial console and what QEMU says itself. */
const qemuFifos = ['qmp.in', 'qmp.out', 'serial', 'stderr'] as const;

/** FIFOs in a directory only root can enter, and the segments of the logs, the loggers' own. */
export function filesStep(fifos: readonly string[] = qemuFifos): LauncherStep {
  return {
    name: 'files',
    comment: sh`FIFOs for the monitor and for what QEMU prints, in a directory only root can enter; the logs belong to the loggers' user`,
    body: sh`  set --
  for fifo in ${words(fifos)}; do
    if [ ! -p "$run/$fifo" ] || [ -L "$run/$fifo" ] || [ ! -O "$run/$fifo" ]; then set -- "$@" "$run/$fifo"; fi
  done
  [ $# -eq 0 ] || mkfifo -m 0600 -- "$@" || fail "cannot make $*"
  [ -d "$log" ] || mkdir -m 0711 -- "$log" || fail "cannot make $log"
  set --
  for segment in "$log/serial.0" "$log/serial.1" "$log/stderr.0" "$log/stderr.1"; do
    [ ! -L "$segment" ] || fail "$segment is a symbolic link"
    [ -f "$segment" ] || : >"$segment" || fail "cannot make $segment: is the disk full?"
    [ ! -O "$segment" ] || set -- "$@" "$segment"
  done
  [ $# -eq 0 ] || chown "$logger_uid:$logger_gid" -- "$@" || fail "cannot give $* to the loggers"`,
  };
}
