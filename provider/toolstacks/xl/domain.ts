import type { LauncherStep } from '../../jail/step.ts';
import { sh, type ShellText } from '../../model/shell.ts';
import type { XlPlan } from './plan.ts';

/** How long xl may take for an answer. Unit: seconds. */
export const answerSeconds = 30;
/** How long a domain may take to be gone after it was ended. Unit: seconds. */
const destroySeconds = 20;
/** A guest that still boots does not hear the first request. Unit: seconds. */
const askIntervalSeconds = 5;

/**
 * Functions about the guest's domain, which is known by its UUID alone; what is done to it is done to a number just looked up.
 *   look_for_domain   sets `domid`, `state` and, once it has ended, `reason` of ours (empty: there is none), and `other` to one that has our
 *                     name; 1 without an answer
 *   is_up             ours is there, was let go, and has a device model
 *   is_running PID    a child of ours that has not ended
 *   is_abandoned PID  ours is there, is not on its way out (libxl ends a device model before its domain), and has not this device model any more
 *   end_domain        destroys ours, and waits until it is gone; 1 where it is not, or xl does not tell; `domid` is the one it was about
 *   remove_roots      the empty roots of device models of ours that are gone: libxl leaves them
 *   why_not           what libxl said last, and what stands in its way
 */
export const domainFunctions: ShellText = sh`look_for_domain() {
  domid='' state='' reason='' other='' alive=' '
  domains=$(timeout ${answerSeconds} xl list -v 2>/dev/null) || return 1
  while read -r name id _ _ flags rest; do
    alive="$alive$id "
    case " $rest " in
      *" $uuid "*)
        domid=$id state=$flags
        set -- \${rest#*"$uuid"}
        reason=\${1:-}
        ;;
      *) [ "$name" != "$guest" ] || other=$id ;;
    esac
  done <<END
$domains
END
}
is_up() {
  look_for_domain || return 1
  [ -n "$domid" ] || return 1
  case $state in *p*) return 1 ;; esac
  xenstore-read "/local/domain/$domid/image/device-model-pid" >/dev/null 2>&1
}
is_running() {
  read -r stat <"/proc/$1/stat" || return 1
  case \${stat##*) } in [ZX]*) return 1 ;; esac
} 2>/dev/null
is_abandoned() {
  [ -n "$1" ] && ! is_running "$1" && look_for_domain && [ -n "$domid" ] || return 1
  case $state in *[pscd]*) return 1 ;; esac
}
end_domain() {
  tries=0 gone=''
  while :; do
    look_for_domain || { domid=\${gone:-not known}; return 1; }
    [ -n "$domid" ] || break
    gone=$domid
    [ "$tries" -lt ${destroySeconds} ] || return 1
    tries=$((tries + 1))
    timeout ${answerSeconds} xl destroy "$domid" >/dev/null 2>&1 || sleep 1
  done
  domid=$gone
}
remove_roots() {
  look_for_domain || return 0
  for number in $(stockade_log "$log" stderr 262144 | sed -n 's/.*(domid \\([0-9]\\{1,5\\}\\)).*/\\1/p'); do
    case $alive in *" $number "*) continue ;; esac
    [ ! -d "/run/xen/qemu-root-$number" ] || rmdir -- "/run/xen/qemu-root-$number" || :
  done
} 2>/dev/null
why_not() {
  # of this start alone: the log has earlier ones too; the first errors are the cause, later ones follow from it
  words=$(stockade_log "$log" stderr 65536 |
    awk '/^Parsing config/ { n = 0 } /error|fail|wanted/ && n < 3 { said[n++] = $0 } END { for (i = 0; i < n; i++) print said[i] }' |
    sed 's/^libxl: error: [^ ]* //' | cut -c 1-140 | tr '\\n' ';')
  case $words in
    *qemu-root-*)
      room=\${words#*qemu-root-} room=/run/xen/qemu-root-\${room%%[!0-9]*}
      for entry in "$room"/* "$room"/.[!.]* "$room"/..?*; do
        if [ -e "$entry" ] || [ -L "$entry" ]; then printf "%s is not empty, '%.60s' lies in it; " "$room" "\${entry##*/}"; fi
      done | head -c 200
      ;;
  esac
  printf '%s' "\${words:-xl said nothing}"
}`;

/** Before anything is made: a domain of ours that a killed launch left is ended, one that only has our name is somebody else's. */
export function domainStep({ scheme }: Pick<XlPlan, 'scheme'>): LauncherStep {
  const range =
    scheme === 'shared'
      ? sh`
  ! getent passwd xen-qemuuser-range-base >/dev/null ||
    fail 'libxl would take user xen-qemuuser-range-base of this host before xen-qemuuser-shared: use users of the scheme range'`
      : sh``;
  return {
    name: 'domain',
    comment: sh`The name is free, but for a domain of ours that an earlier launch left behind: that is ended`,
    body: sh`  [ -d "$run" ] || mkdir -p -m 0700 -- "\${run%/*/*}" "\${run%/*}" "$run" || fail "cannot make $run"
  look_for_domain || fail 'xl list gives no answer: does the host run as control domain of Xen?'
  [ -z "$other" ] || fail "a domain called $guest that is not ours is there (domid $other): rename or remove it, or give the guest another name"
  end_domain || fail "an earlier domain of the guest (domid $domid) cannot be ended"
  started=$(grep -lsE "^[[:space:]]*(name[[:space:]]*=[[:space:]]*[\\"']$guest[\\"']|uuid[[:space:]]*=[[:space:]]*[\\"']$uuid[\\"'])" /etc/xen/auto/* || :)
  [ -z "$started" ] || fail "xendomains would start the guest a second time: remove $started"${range}`,
  };
}

/**
 * The verb `stop`, run by systemd with MAINPID set: the guest's power button is pressed until it has gone, then its domain is ended. The
 * launcher ends when xl does, and xl when the domain has gone.
 */
export function stopFunction(shutdownTimeoutSeconds: number): ShellText {
  return sh`# The guest is asked to power off and has ${shutdownTimeoutSeconds} s to go; then its domain is destroyed
stop_guest() {
  main=\${MAINPID:-}
  left=${shutdownTimeoutSeconds}
  while [ "$left" -gt 0 ] && look_for_domain && [ -n "$domid" ]; do
    timeout ${answerSeconds} xl shutdown -F "$domid" >/dev/null 2>&1 || :
    if ended_within $((left < ${askIntervalSeconds} ? left : ${askIntervalSeconds})); then return 0; fi
    left=$((left - ${askIntervalSeconds}))
  done
  end_domain || echo 'stockade-launch: stop: the domain cannot be ended' >&2
  ended_within ${destroySeconds} || :
}
ended_within() {
  [ -n "$main" ] && [ -d "/proc/$main" ] || return 0
  timeout "$1" tail --pid="$main" -s 0.1 -f /dev/null
}`;
}
