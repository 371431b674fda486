import { guestUnit, type HostRoots } from '../../model/paths.ts';
import { lines, sh, type ShellText, word, words } from '../../model/shell.ts';
import { guestPlaces } from '../places.ts';
import { uidsDirectory } from '../uid-hold.ts';
import { sharedMemoryKey } from './attacks-network.ts';
import { polls } from './inject.ts';
import { headerOffsets } from './interpreter.ts';
import { interfaceName, parameters } from './probe.ts';

/** A control that nobody ends any more ends by itself. Unit: seconds. */
const controlSeconds = 120;

/** `clear_probes`: ends and removes every canary and control, whoever started them; says nothing. */
export function clearFunction(canaries: readonly string[], roots: HostRoots): ShellText {
  const places = canaries.map((name) => guestPlaces(name, roots));
  const directories = places.flatMap(({ stateDirectory, runDirectory }) => [stateDirectory, runDirectory]);
  const dropIns = canaries.map((name) => `/run/systemd/system/${guestUnit(name)}.d`);
  return sh`clear_probes() {
  set -- ${words(canaries.map(guestUnit))} 'stockade-control_*.service'
  systemctl kill --signal=KILL -- "$@" || :
  systemctl stop -- "$@" || :
  systemctl reset-failed -- "$@" || :
  ipcrm -M ${sharedMemoryKey} || :
  rmdir -- ${words(places.map(({ chroot }) => chroot))} || :
  rm -rf --one-file-system -- ${words([...directories, ...dropIns])} ${word(uidsDirectory(roots))}/"\${uid:-none}" "$work"
} >/dev/null 2>&1`;
}

/** Tells the program what only the host knows (`parameters`), and starts the process that nobody in the jail must reach. */
export const askHost: ShellText = lines([
  sh`# octets NUMBER...: prints a byte for each
octets() {
  format=
  for octet do format="$format\\\\$((octet / 64))$((octet / 8 % 8))$((octet % 8))"; done
  printf "$format"
}
# eight NUMBER: the number as eight bytes, the lowest first
eight() {
  octets $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24 & 255)) \\
    $(($1 >> 32 & 255)) $(($1 >> 40 & 255)) $(($1 >> 48 & 255)) $(($1 >> 56 & 255))
}
# put_at FILE OFFSET: writes stdin there
put_at() { dd "of=$1" bs=65536 oflag=seek_bytes "seek=$2" conv=notrunc status=none; }
# listening FILE ADDRESS: sets port to the first one that is listened to at that address
listening() {
  while read -r _ local _ state _; do
    case $local:$state in "$2:"*:0A) port=$((0x\${local##*:})); return ;; esac
  done <"$1" || :
} 2>/dev/null
port=22
listening /proc/net/tcp6 00000000000000000000000000000000
listening /proc/net/tcp 00000000
address=127.0.0.1
read -r _ _ _ found _ <<END || :
$(ip -4 -o address show scope global 2>/dev/null)
END
[ -z "$found" ] || address=\${found%/*}
interface=
for interface in /sys/class/net/*; do
  interface=\${interface##*/}
  [ "$interface" = lo ] || break
  interface=
done
systemd-run --quiet --unit=stockade-control_outsider.service --property=RuntimeMaxSec=${controlSeconds} -- sleep ${controlSeconds}
outsider=$(systemctl show --value --property=MainPID stockade-control_outsider.service)
internet() {
  IFS=.
  set -- $1
  unset IFS
  octets 2 0 $((port / 256)) $((port % 256)) "$@" 0 0 0 0 0 0 0 0
}
{ eight "$outsider"; internet "$address"; internet 127.0.0.1; } | put_at "$work/data" ${headerOffsets.parameters}
printf '%.${interfaceName.bytes - 1}s' "$interface" | put_at "$work/data" ${headerOffsets.parameters + interfaceName.offset}`,
]);

// what is written above stands in this order, without gaps
if (
  parameters.outsider.offset !== 0 ||
  parameters.ownAddress.offset !== 8 ||
  parameters.loopback.offset !== 24
) {
  throw new Error('the parameters of a canary have moved');
}

/** Starts canaries and controls, and has them run their parts of the program. */
export function startFunctions(qemuBinary: string, controlArguments: readonly string[]): ShellText {
  const qemu = word(qemuBinary);
  return sh`# device_model MAIN: sets pid to the QEMU that has become the canary's user: a unit's main process, or one below it
device_model() {
  tries=0
  while [ -d "/proc/$1" ] && [ "$tries" -lt ${polls} ]; do
    children=
    read -r children <"/proc/$1/task/$1/children" || :
    for pid in "$1" $children; do
      [ "/proc/$pid/exe" -ef ${qemu} ] || continue
      while read -r key real effective _; do [ "$key" != Uid: ] || break; done <"/proc/$pid/status" || continue
      if [ "$real" = "$uid" ] && [ "$effective" = "$uid" ]; then return; fi
    done
    tries=$((tries + 1))
    sleep 0.02
  done
  return 1
} 2>/dev/null
# run_canaries UNIT:NAME:FIRST:END...: all at once
run_canaries() {
  units=
  for canary do units="$units \${canary%%:*}"; done
  systemctl start -- $units || :
  mains=$(systemctl show --value --property=MainPID -- $units)
  set -f
  going=
  for canary do
    unit=\${canary%%:*} rest=\${canary#*:}
    name=\${rest%%:*} rest=\${rest#*:}
    main=\${mains%%
*} mains=\${mains#*
}
    while [ -z "$main" ] && [ -n "$mains" ]; do
      main=\${mains%%
*} mains=\${mains#*
}
    done
    if [ "\${main:-0}" -gt 0 ] && device_model "$main"; then
      ! inject "$name" "$pid" "\${rest%:*}" "\${rest#*:}" || going="$going $name:$pid:$data:$unit"
    else give "$name.end" not-started
    fi
  done
  for canary in $going; do
    name=\${canary%%:*} rest=\${canary#*:}
    pid=\${rest%%:*} rest=\${rest#*:}
    data=\${rest%%:*}
    finish "$name" "$pid" "\${rest#*:}"
    [ ! -d "/proc/$pid" ] || kill -KILL "$pid" || :
  done 2>/dev/null
  systemctl stop -- $units || :
  set +f
}
# start_control NAME: the same program without any of the jail, as a unit that ends by itself
start_control() {
  systemd-run --quiet --unit="stockade-control_$1.service" --property=LimitNOFILE=20000 --property=RuntimeMaxSec=${controlSeconds} \\
    --property=StandardInput=null --property=StandardOutput=null --property=StandardError=null \\
    --working-directory="$work/control" -- ${qemu} ${words(controlArguments)} || :
}
# run_control NAME FIRST END
run_control() {
  unit=stockade-control_$1.service
  pid=$(systemctl show --value --property=MainPID -- "$unit")
  tries=0
  until [ "/proc/$pid/exe" -ef ${qemu} ] || [ ! -d "/proc/$pid" ] || [ "$tries" -ge ${polls} ]; do
    tries=$((tries + 1))
    sleep 0.02
  done
  if [ ! "/proc/$pid/exe" -ef ${qemu} ]; then give "$1.end" not-started
  elif inject "$1" "$pid" "$2" "$3"; then finish "$1" "$pid" "$unit"
  fi
}`;
}
