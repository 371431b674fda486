machine=$(uname -m)
give machine "$machine"
[ "$machine" = x86_64 ] || exit 0
entry=$(getent passwd xen-qemuuser-canary) || fail canary-user 'there is no user xen-qemuuser-canary'
IFS=: read -r _ _ uid gid _ <<END
$entry
END
work=/run/st/probes
answer_bytes=200
clear_probes() {
  set -- stockade-guest@stockade-canary_0.service stockade-guest@stockade-canary_1.service stockade-guest@stockade-canary_2.service 'stockade-control_*.service'
  systemctl kill --signal=KILL -- "$@" || :
  systemctl stop -- "$@" || :
  systemctl reset-failed -- "$@" || :
  ipcrm -M 1398033232 || :
  rmdir -- /run/st/root/stockade-canary_0 /run/st/root/stockade-canary_1 /run/st/root/stockade-canary_2 || :
  rm -rf --one-file-system -- '/srv/it is/state/guests/stockade-canary_0' /run/st/guests/stockade-canary_0 '/srv/it is/state/guests/stockade-canary_1' /run/st/guests/stockade-canary_1 '/srv/it is/state/guests/stockade-canary_2' /run/st/guests/stockade-canary_2 /run/systemd/system/stockade-guest@stockade-canary_0.service.d /run/systemd/system/stockade-guest@stockade-canary_1.service.d /run/systemd/system/stockade-guest@stockade-canary_2.service.d /run/st/uids/"${uid:-none}" "$work"
} >/dev/null 2>&1
clear_probes
trap clear_probes EXIT
mkdir -p -m 0700 /run/st "$work" "$work/control"
head -c 8192 /dev/zero >"$work/kernel"
printf '%s' SIuDIAAAAEg54A+FWAIAAEyLoxAAAABJAdxIi4MYAAAASAHYSTnED4QvAgAATImjCAAAAEmLvCQwAAAAQYC8JAgAAAAAD4QZAAAASAHfQYC8JAgAAAABD4QHAAAASIu/AAAAAEmLtCQ4AAAAQYC8JAkAAAAAD4QZAAAASAHeQYC8JAkAAAABD4QHAAAASIu2AAAAAEmLlCRAAAAAQYC8JAoAAAAAD4QZAAAASAHaQYC8JAoAAAABD4QHAAAASIuSAAAAAE2LlCRIAAAAQYC8JAsAAAAAD4QZAAAASQHaQYC8JAsAAAABD4QHAAAATYuSAAAAAE2LhCRQAAAAQYC8JAwAAAAAD4QZAAAASQHYQYC8JAwAAAABD4QHAAAATYuAAAAAAE2LjCRYAAAAQYC8JA0AAAAAD4QZAAAASQHZQYC8JA0AAAABD4QHAAAATYuJAAAAAE2LrCQQAAAATYu0JCgAAABJAd5BgLwkAAAAAAUPhKcAAABBgLwkAAAAAAYPhMQAAABJi4QkIAAAAEGAvCQAAAAABw+EBwAAAA8F6QIAAADNgEiFwA+FHgAAAEGAvCQAAAAAAw+EtwAAAEGAvCQAAAAABA+EnAAAAEmJhgAAAABBgLwkAAAAAAIPhA4AAABIhcAPiCYAAADpCQAAAEiFwA+JGAAAAEmLhCQYAAAASAHHSYHF/////w+FdP///0mBxGAAAADp/f3//7gAAAAAxocAAAAAAUiBxwAQAABJgcX/////D4Xl////SYmGAAAAAOnI////SGOHAAAAAEmJhgAAAADptf///7gBAAAASImDAAAAALgiAAAADwXp9P///78AAAAAuOcAAAAPBenv//// | base64 -d >"$work/code"
printf '%s' AAAAAAAAAAAAAAAAAAAAAMgAAAAAAAAAyAMAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA0AAAAEgABAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABQAAwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAACAAAAAAAAAAIAAAAAAAAAAgAAAAAAAAACAAAAAAAAAAIAAAAAAAAAAgAAAAAAAAACAAAAAAAAAAIABAAAAAAAAAAAAAAAAAAAAAQAAAAAAAAAAAAAAAAAAACkAAAAAAAAAiAAAAAAAAAABAAAAAAAAAAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABAAAAAAAAAAIBAAAAAAAAAQAAAAAAAAAAAAAAAAAAADEAAAAAAAAAkAAAAAAAAACIAAAAAAAAAMgDAAAAAAAAEQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABAAAAAAAAAAIAAAAAAAAAAQAAAAAAAAAAAAAAAAAAADIAAAAAAAAAmAAAAAAAAACIAAAAAAAAAAgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABAAAAAAAAAAAAAAAAAAAAAQAAAAAAAAAAAAAAAAAAAB0AAAAAAAAAoAAAAAAAAABQS1RTAAAAAAAQAAAAAAAAtgMAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABAAAAAAAAAAEAAAAAAAAAAQAAAAAAAAAAAAAAAAAAAAIAAAAAAAAAqAAAAAAAAADgAwAAAAAAAAAAIQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAADAAAAAAAAAAAAAAAAAAAAAQAAAAAAAAAAAAAAAAAAADkAAAAAAAAAsAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABAAAAAAAAAAEAAAAAAAAAAQAAAAAAAAAAAAAAAAAAAAIAAAAAAAAAuAAAAAAAAADoAwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABAAAAAAAAAAIAAAAAAAAAAQAAAAAAAAAAAAAAAAAAAFEAAAAAAAAAwAAAAAAAAAC4AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABAABzdG9ja2FkZS1wcm9iZQAAAAAAAAAvAAAAAAAAAC9ldGMvcGFzc3dkAAAAAAA= | base64 -d >"$work/data"
mkdir -p -m 0700 '/srv/it is/state/guests/stockade-canary_0'
mkdir -p -m 0755 /run/systemd/system/stockade-guest@stockade-canary_0.service.d
printf '%s' '#!/bin/sh
# the launcher'\''s text
' >'/srv/it is/state/guests/stockade-canary_0/launch'
chmod 0700 '/srv/it is/state/guests/stockade-canary_0/launch'
printf 'domid 32767
uid %s
gid %s
shared no
' "$uid" "$gid" >'/srv/it is/state/guests/stockade-canary_0/lease'
(umask 022; printf '%s' '[Service]
' >/run/systemd/system/stockade-guest@stockade-canary_0.service.d/10-stockade.conf)
mkdir -p -m 0700 '/srv/it is/state/guests/stockade-canary_1'
mkdir -p -m 0755 /run/systemd/system/stockade-guest@stockade-canary_1.service.d
printf '%s' '#!/bin/sh
# the launcher'\''s text
' >'/srv/it is/state/guests/stockade-canary_1/launch'
chmod 0700 '/srv/it is/state/guests/stockade-canary_1/launch'
printf 'domid 32767
uid %s
gid %s
shared yes
' "$uid" "$gid" >'/srv/it is/state/guests/stockade-canary_1/lease'
(umask 022; printf '%s' '[Service]
' >/run/systemd/system/stockade-guest@stockade-canary_1.service.d/10-stockade.conf)
mkdir -p -m 0700 '/srv/it is/state/guests/stockade-canary_2'
mkdir -p -m 0755 /run/systemd/system/stockade-guest@stockade-canary_2.service.d
printf '%s' '#!/bin/sh
# the launcher'\''s text
' >'/srv/it is/state/guests/stockade-canary_2/launch'
chmod 0700 '/srv/it is/state/guests/stockade-canary_2/launch'
printf 'domid 32767
uid %s
gid %s
shared yes
' "$uid" "$gid" >'/srv/it is/state/guests/stockade-canary_2/lease'
(umask 022; printf '%s' '[Service]
' >/run/systemd/system/stockade-guest@stockade-canary_2.service.d/10-stockade.conf)
# octets NUMBER...: prints a byte for each
octets() {
  format=
  for octet do format="$format\\$((octet / 64))$((octet / 8 % 8))$((octet % 8))"; done
  printf "$format"
}
# eight NUMBER: the number as eight bytes, the lowest first
eight() {
  octets $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24 & 255)) \
    $(($1 >> 32 & 255)) $(($1 >> 40 & 255)) $(($1 >> 48 & 255)) $(($1 >> 56 & 255))
}
# put_at FILE OFFSET: writes stdin there
put_at() { dd "of=$1" bs=65536 oflag=seek_bytes "seek=$2" conv=notrunc status=none; }
# listening FILE ADDRESS: sets port to the first one that is listened to at that address
listening() {
  while read -r _ local _ state _; do
    case $local:$state in "$2:"*:0A) port=$((0x${local##*:})); return ;; esac
  done <"$1" || :
} 2>/dev/null
port=22
listening /proc/net/tcp6 00000000000000000000000000000000
listening /proc/net/tcp 00000000
address=127.0.0.1
read -r _ _ _ found _ <<END || :
$(ip -4 -o address show scope global 2>/dev/null)
END
[ -z "$found" ] || address=${found%/*}
interface=
for interface in /sys/class/net/*; do
  interface=${interface##*/}
  [ "$interface" = lo ] || break
  interface=
done
systemd-run --quiet --unit=stockade-control_outsider.service --property=RuntimeMaxSec=120 -- sleep 120
outsider=$(systemctl show --value --property=MainPID stockade-control_outsider.service)
internet() {
  IFS=.
  set -- $1
  unset IFS
  octets 2 0 $((port / 256)) $((port % 256)) "$@" 0 0 0 0 0 0 0 0
}
{ eight "$outsider"; internet "$address"; internet 127.0.0.1; } | put_at "$work/data" 40
printf '%.15s' "$interface" | put_at "$work/data" 116
# first_thread PID: sets state to how its first thread is, code to its exit status, as /proc has them; 1 where it is gone
first_thread() {
  read -r line <"/proc/$1/stat" || return 1
  line=${line##*) }
  state=${line%% *} code=${line##* }
} 2>/dev/null
# sealed NAME TEXT: its memory cannot be written; goes on as it was
sealed() {
  give "$1.end" "sealed $2"
  kill -CONT "$pid" || :
  return 1
}
# largest PID PERMISSIONS: sets from and to to the largest mapping of that kind
largest() {
  from=0 to=0
  while read -r range permissions _; do
    [ "$permissions" = "$2" ] || continue
    low=$((0x${range%-*})) high=$((0x${range#*-}))
    if [ $((high - low)) -gt $((to - from)) ]; then from=$low to=$high; fi
  done <"/proc/$1/maps"
}
# stopped_idle NAME: stops the process where its first thread waits in its main loop, and sets line to its registers. Anywhere
# else what is put into it need not hold: a call that makes a thread returns twice, a page of the kernel's cannot be written.
stopped_idle() {
  tries=0
  while [ "$tries" -lt 1500 ] && first_thread "$pid"; do
    read -r line <"/proc/$pid/syscall" || {
      first_thread "$pid" || break
      sealed "$1" 'registers cannot be read' || return
    }
    case $state:${line%% *} in
      Z:* | X:*) break ;;
      T:7 | T:271) return 0 ;;
      T:*) kill -CONT "$pid" ;;
      *:7 | *:271) kill -STOP "$pid" ;;
    esac || break
    tries=$((tries + 1))
    sleep 0.02
  done
  if [ "$tries" -lt 1500 ]; then give "$1.end" not-started
  else
    kill -CONT "$pid" || :
    give "$1.end" busy
  fi
  return 1
} 2>/dev/null
# inject NAME PID FIRST END: sets data to where the program's data is
inject() {
  pid=$2
  stopped_idle "$1" || return 1
  counter=$((${line##* })) line=${line% *}
  stack=$((${line##* }))
  largest "$pid" rw-p
  data=$from
  largest "$pid" r-xp
  # the last functions of the program: those that wait meanwhile are not among them
  code=$((to - 4096))
  said=$(put_at "/proc/$pid/mem" "$data" <"$work/data" 2>&1) &&
    said=$({ eight "$3"; eight "$4"; eight "$stack"; } | put_at "/proc/$pid/mem" $((data + 16)) 2>&1) &&
    said=$(put_at "/proc/$pid/mem" "$code" <"$work/code" 2>&1) &&
    said=$(springboard | put_at "/proc/$pid/mem" $((counter - 2)) 2>&1) || { sealed "$1" "$said"; return 1; }
  kill -CONT "$pid"
}
# A call that was interrupted is made again: the two bytes before the counter are the call, now they do nothing.
# mov rbx, data; mov rax, code; jmp rax
springboard() {
  octets 102 144 72 187; eight "$data"
  octets 72 184; eight "$code"
  octets 255 224
}
# finish NAME PID UNIT: waits for the end of the program, and gives what came of it
finish() {
  tries=0
  while first_thread "$2"; do
    case $state in
      Z | X)
        if [ $((code & 127)) -ne 0 ]; then give "$1.end" "signal $((code & 127))"; else give "$1.end" "exit $((code / 256))"; fi
        return
        ;;
    esac
    number=
    read -r number _ <"/proc/$2/syscall" || :
    if [ "$number" = 34 ]; then
      give "$1.answers" "$(dd "if=/proc/$2/mem" bs=65536 iflag=skip_bytes,count_bytes "skip=$data" "count=$answer_bytes" status=none | base64 -w0)"
      give "$1.end" 'done'
      return
    fi
    tries=$((tries + 1))
    [ "$tries" -lt 1500 ] || { give "$1.end" stuck; return; }
    sleep 0.02
  done 2>/dev/null
  ended "$1" "$3"
}
# ended NAME UNIT: how systemd saw it end. The parent of its namespace ends as it did, but for SIGKILL: util-linux cannot die
# of that and exits 1. What the kernel killed for want of memory is known by Result.
ended() {
  tries=0
  while :; do
    how= status= result=
    while IFS='=' read -r key value; do
      case $key in
        ExecMainCode) how=$value ;;
        ExecMainStatus) status=$value ;;
        Result) result=$value ;;
      esac
    done <<END
$(systemctl show --property=ExecMainCode --property=ExecMainStatus --property=Result -- "$2")
END
    [ "${how:-0}" = 0 ] && [ "$tries" -lt 100 ] || break
    tries=$((tries + 1))
    sleep 0.02
  done
  [ "$result" != oom-kill ] || how=2 status=9
  case $how in
    1) give "$1.end" "exit $status" ;;
    2 | 3) give "$1.end" "signal $status" ;;
    *) give "$1.end" stuck ;;
  esac
}
# device_model MAIN: sets pid to the QEMU that has become the canary's user: a unit's main process, or one below it
device_model() {
  tries=0
  while [ -d "/proc/$1" ] && [ "$tries" -lt 1500 ]; do
    children=
    read -r children <"/proc/$1/task/$1/children" || :
    for pid in "$1" $children; do
      [ "/proc/$pid/exe" -ef '/opt/it'\''s/qemu' ] || continue
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
  for canary do units="$units ${canary%%:*}"; done
  systemctl start -- $units || :
  mains=$(systemctl show --value --property=MainPID -- $units)
  set -f
  going=
  for canary do
    unit=${canary%%:*} rest=${canary#*:}
    name=${rest%%:*} rest=${rest#*:}
    main=${mains%%
*} mains=${mains#*
}
    while [ -z "$main" ] && [ -n "$mains" ]; do
      main=${mains%%
*} mains=${mains#*
}
    done
    if [ "${main:-0}" -gt 0 ] && device_model "$main"; then
      ! inject "$name" "$pid" "${rest%:*}" "${rest#*:}" || going="$going $name:$pid:$data:$unit"
    else give "$name.end" not-started
    fi
  done
  for canary in $going; do
    name=${canary%%:*} rest=${canary#*:}
    pid=${rest%%:*} rest=${rest#*:}
    data=${rest%%:*}
    finish "$name" "$pid" "${rest#*:}"
    [ ! -d "/proc/$pid" ] || kill -KILL "$pid" || :
  done 2>/dev/null
  systemctl stop -- $units || :
  set +f
}
# start_control NAME: the same program without any of the jail, as a unit that ends by itself
start_control() {
  systemd-run --quiet --unit="stockade-control_$1.service" --property=LimitNOFILE=20000 --property=RuntimeMaxSec=120 \
    --property=StandardInput=null --property=StandardOutput=null --property=StandardError=null \
    --working-directory="$work/control" -- '/opt/it'\''s/qemu' -S || :
}
# run_control NAME FIRST END
run_control() {
  unit=stockade-control_$1.service
  pid=$(systemctl show --value --property=MainPID -- "$unit")
  tries=0
  until [ "/proc/$pid/exe" -ef '/opt/it'\''s/qemu' ] || [ ! -d "/proc/$pid" ] || [ "$tries" -ge 1500 ]; do
    tries=$((tries + 1))
    sleep 0.02
  done
  if [ ! "/proc/$pid/exe" -ef '/opt/it'\''s/qemu' ]; then give "$1.end" not-started
  elif inject "$1" "$pid" "$2" "$3"; then finish "$1" "$pid" "$unit"
  fi
}
start_control control
run_control control 200 968
run_canaries stockade-guest@stockade-canary_0.service:shared:776:968
run_canaries stockade-guest@stockade-canary_1.service:own-1:680:776

### cleared
work=/run/st/probes
clear_probes() {
  set -- stockade-guest@stockade-canary_0.service stockade-guest@stockade-canary_1.service stockade-guest@stockade-canary_2.service stockade-guest@stockade-canary_3.service stockade-guest@stockade-canary_4.service 'stockade-control_*.service'
  systemctl kill --signal=KILL -- "$@" || :
  systemctl stop -- "$@" || :
  systemctl reset-failed -- "$@" || :
  ipcrm -M 1398033232 || :
  rmdir -- /run/st/root/stockade-canary_0 /run/st/root/stockade-canary_1 /run/st/root/stockade-canary_2 /run/st/root/stockade-canary_3 /run/st/root/stockade-canary_4 || :
  rm -rf --one-file-system -- '/srv/it is/state/guests/stockade-canary_0' /run/st/guests/stockade-canary_0 '/srv/it is/state/guests/stockade-canary_1' /run/st/guests/stockade-canary_1 '/srv/it is/state/guests/stockade-canary_2' /run/st/guests/stockade-canary_2 '/srv/it is/state/guests/stockade-canary_3' /run/st/guests/stockade-canary_3 '/srv/it is/state/guests/stockade-canary_4' /run/st/guests/stockade-canary_4 /run/systemd/system/stockade-guest@stockade-canary_0.service.d /run/systemd/system/stockade-guest@stockade-canary_1.service.d /run/systemd/system/stockade-guest@stockade-canary_2.service.d /run/systemd/system/stockade-guest@stockade-canary_3.service.d /run/systemd/system/stockade-guest@stockade-canary_4.service.d /run/st/uids/"${uid:-none}" "$work"
} >/dev/null 2>&1
if [ -e "$work" ]; then clear_probes; changed; fi
