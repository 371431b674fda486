import { sh, type ShellText } from '../model/shell.ts';

/** How long QEMU may take to end after it was told to, before it is killed. Unit: seconds. */
const quitTimeoutSeconds = 5;

/** The power button is pressed again after so long. Unit: seconds. */
const pressIntervalSeconds = 3;

/** How long systemd waits for a stop altogether: never the first to lose patience. Unit: seconds. */
export function stopTimeoutSeconds(shutdownTimeoutSeconds: number): number {
  return shutdownTimeoutSeconds + quitTimeoutSeconds + 10;
}

/**
 * The verb `stop`, run by systemd with MAINPID set. Nothing is read from QEMU: the power button is written to its monitor and
 * the kernel says when it has ended. A QEMU that does not listen is killed; that ends its pid namespace.
 */
export function stopFunction(shutdownTimeoutSeconds: number): ShellText {
  const button = sh`  if [ -p "$run/qmp.in" ]; then
    exec 3<>"$run/qmp.in"
    # a QEMU that has filled the FIFO itself holds nobody up
    left=${shutdownTimeoutSeconds}
    while [ "$left" -gt 0 ]; do
      timeout 1 sh -c 'printf "%s\\n" "$@" >&3' sh '{"execute":"qmp_capabilities"}' '{"execute":"system_powerdown"}' || :
      # a guest that still boots does not hear the first press
      if ended_within $((left < ${pressIntervalSeconds} ? left : ${pressIntervalSeconds})); then return 0; fi
      left=$((left - ${pressIntervalSeconds}))
    done
  fi
`;
  return sh`# The guest gets its power button pressed and ${shutdownTimeoutSeconds} s to go; then QEMU is told to end, then killed
stop_guest() {
  main=\${MAINPID:-}
  [ -n "$main" ] && [ -d "/proc/$main" ] || return 0
${shutdownTimeoutSeconds > 0 ? button : sh``}  signal_qemu TERM
  ended_within ${quitTimeoutSeconds} || signal_qemu KILL
}
ended_within() { timeout "$1" tail --pid="$main" -s 0.05 -f /dev/null; }
# signal_qemu SIGNAL: to the child of the unit's main process that is in another pid namespace
signal_qemu() {
  children=
  # the kernel ends this line without a newline: read says 1 and has read it
  read -r children <"/proc/$main/task/$main/children" || :
  for child in $children; do
    [ "/proc/$child/ns/pid" -ef "/proc/$main/ns/pid" ] || kill -"$1" "$child" || :
  done
} 2>/dev/null`;
}
