#!/bin/sh
# Starts and stops the guest web1 by Xen's xl. Made by Stockade: edits show as drift and are undone.
#   launch run     what the guest's unit starts: makes the domain, and stays for as long as it is there
#   launch stop    asks the guest to power off, waits, then ends its domain
#   launch over    when the unit is over: ends what is left of the guest
set -eu
umask 077
PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
export PATH LC_ALL
cd /

guest=web1
uuid=000b3d50-3e67-82bf-810b-ea880c64da29
lease=/var/lib/stockade/guests/web1/lease
log=/var/lib/stockade/guests/web1/log
run=/run/stockade/guests/web1
launch_error=/run/stockade/guests/web1/launch-error

# fail TEXT: ends the launch, says at which step and why
fail() {
  printf 'stockade-launch: %s: %s\n' "$step" "$1" >&2
  [ -d "$run" ] || mkdir -p -- "$run" || :
  printf '%s: %s\n' "$step" "$1" >"$launch_error" || :
  exit "$code"
}

look_for_domain() {
  domid='' state='' reason='' other='' alive=' '
  domains=$(timeout 30 xl list -v 2>/dev/null) || return 1
  while read -r name id _ _ flags rest; do
    alive="$alive$id "
    case " $rest " in
      *" $uuid "*)
        domid=$id state=$flags
        set -- ${rest#*"$uuid"}
        reason=${1:-}
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
  case ${stat##*) } in [ZX]*) return 1 ;; esac
} 2>/dev/null
is_abandoned() {
  [ -n "$1" ] && ! is_running "$1" && look_for_domain && [ -n "$domid" ] || return 1
  case $state in *[pscd]*) return 1 ;; esac
}
end_domain() {
  tries=0 gone=''
  while :; do
    look_for_domain || { domid=${gone:-not known}; return 1; }
    [ -n "$domid" ] || break
    gone=$domid
    [ "$tries" -lt 20 ] || return 1
    tries=$((tries + 1))
    timeout 30 xl destroy "$domid" >/dev/null 2>&1 || sleep 1
  done
  domid=$gone
}
remove_roots() {
  look_for_domain || return 0
  for number in $(stockade_log "$log" stderr 262144 | sed -n 's/.*(domid \([0-9]\{1,5\}\)).*/\1/p'); do
    case $alive in *" $number "*) continue ;; esac
    [ ! -d "/run/xen/qemu-root-$number" ] || rmdir -- "/run/xen/qemu-root-$number" || :
  done
} 2>/dev/null
why_not() {
  # of this start alone: the log has earlier ones too; the first errors are the cause, later ones follow from it
  words=$(stockade_log "$log" stderr 65536 |
    awk '/^Parsing config/ { n = 0 } /error|fail|wanted/ && n < 3 { said[n++] = $0 } END { for (i = 0; i < n; i++) print said[i] }' |
    sed 's/^libxl: error: [^ ]* //' | cut -c 1-140 | tr '\n' ';')
  case $words in
    *qemu-root-*)
      room=${words#*qemu-root-} room=/run/xen/qemu-root-${room%%[!0-9]*}
      for entry in "$room"/* "$room"/.[!.]* "$room"/..?*; do
        if [ -e "$entry" ] || [ -L "$entry" ]; then printf "%s is not empty, '%.60s' lies in it; " "$room" "${entry##*/}"; fi
      done | head -c 200
      ;;
  esac
  printf '%s' "${words:-xl said nothing}"
}

stockade_untrusted() {
  untrusted_left=$#
  while [ "$untrusted_left" -gt 0 ]; do
    way=$1 at='' links=0 untrusted_left=$((untrusted_left - 1))
    shift
    [ -f "$way" ] || { printf '%s is no regular file' "$way"; return 0; }
    while [ -n "$way" ]; do
      name=${way%%/*}
      case $way in */*) way=${way#*/} ;; *) way='' ;; esac
      case $name in '' | .) continue ;; ..) at=${at%/*}; continue ;; esac
      set -- "$@" "$at/$name"
      [ -L "$at/$name" ] || { at=$at/$name; continue; }
      links=$((links + 1))
      target=$(readlink -- "$at/$name") && [ "$links" -le 40 ] || { printf 'the link %s cannot be followed' "$at/$name"; return 0; }
      case $target in /*) at='' ;; esac
      way=$target/$way
    done
  done
  find "$@" / -maxdepth 0 '(' ! -uid 0 -o ! -type l -perm /022 ')' -printf '%p belongs to uid %U with mode %m' -quit ||
    printf 'find has failed'
}

stockade_strays() {
  pattern="^Uid:.*[[:blank:]]$1([[:blank:]]|\$)" searched=0
  found=$(grep -slE "$pattern" /proc/[0-9]*/status) || searched=$?
  # 126 is a list too long for one command; 2 is what a process that went away leaves
  if [ "$searched" -eq 126 ]; then
    searched=0
    found=$(printf '%s\0' /proc/[0-9]*/status | xargs -0r grep -slE "$pattern") || searched=$?
  fi
  case $searched in 0 | 1 | 2 | 123) ;; *) return 1 ;; esac
  for stray in $found; do
    while read -r key value _; do
      [ "$key" != State: ] || break
    done <"$stray" || continue
    # a dead process that its parent has not waited for does nothing any more, but for one whose other threads live on
    case $value in
      Z | X)
        set -- "${stray%/status}"/task/*
        [ $# -gt 1 ] || continue
        ;;
    esac
    stray=${stray#/proc/}
    printf '%s ' "${stray%/status}"
  done
} 2>/dev/null
stockade_reap() {
  round=0
  while :; do
    strays=$(stockade_strays "$1") || { strays='/proc cannot be searched'; return 1; }
    [ -n "$strays" ] || return 0
    round=$((round + 1))
    [ "$round" -le 100 ] || return 1
    kill -STOP $strays 2>/dev/null || :
    kill -KILL $strays 2>/dev/null || :
    setpriv --reuid="$1" --regid="$1" --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all \
      sh -c 'kill -KILL -1' 2>/dev/null 6<&- || :
    [ "$round" -le 2 ] || sleep 0.04
  done
}
stockade_describe() {
  described=0
  for stray do
    [ "$described" -lt 5 ] || { printf ' and %s more' "$(($# - 5))"; break; }
    executable=$(readlink -n "/proc/$stray/exe" | tr -c ' -~' '?' | head -c 80) || :
    [ "$described" -eq 0 ] || printf ', '
    printf '%s (%s)' "$stray" "${executable:-no executable}"
    described=$((described + 1))
  done
} 2>/dev/null
uids=/run/stockade/uids
stockade_hold() {
  [ -d "$uids" ] || mkdir -p -m 0700 -- "$uids" || return 1
  for hold_try in 1 2 3; do
    { command exec 6<>"$uids/$1"; } 2>/dev/null || return 1
    flock -w 30 6 || return 1
    # who had it may have taken the file away with its guest: then it locks nothing
    [ "$uids/$1" -ef /proc/self/fd/6 ] || continue
    holder=
    read -r holder <&6 || :
    case $holder in *[!a-z0-9-]*) holder= ;; esac
    return 0
  done
  return 1
}

# start_logger LOG BYTES: a logger that reads the pipe LOG until its end, deaf to the unit's own end so that it drains
start_logger() {
  logger_process "$@" 5<"$run/$1" || fail "cannot open $run/$1"
}
logger_process() {
  (
    trap '' HUP INT TERM
    # only root may come here from outside
    cd -- "$log" || exit
    exec prlimit --fsize="$2" --core=0 --nofile=16 --msgqueue=0 --memlock=0 --locks=0 \
      setpriv --reuid="$logger_uid" --regid="$logger_gid" --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all \
      sh -c "$logger" stockade-logger "$2" "$1" <&5 >/dev/null 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
  ) &
}
stockade_log() {
  # what is written within one tick of the clock is of the same time: then the segment that is not full is the later one
  later=1
  if [ "$1/$2.0" -nt "$1/$2.1" ]; then later=0
  elif ! [ "$1/$2.1" -nt "$1/$2.0" ] && [ "$(stat -c %s -- "$1/$2.0")" -lt "$(stat -c %s -- "$1/$2.1")" ]; then later=0
  fi 2>/dev/null
  cat -- "$1/$2.$((1 - later))" "$1/$2.$later" 2>/dev/null | tail -c "$3"
}

# Who the guest runs as: leased by the host, never 0, nobody's (65534) or the "no change" of setuid (65535)
step_lease() {
  step=lease code=41
  domid='' uid='' gid='' shared=no user=''
  [ -f "$lease" ] && [ ! -L "$lease" ] && [ -O "$lease" ] || fail "there is no lease $lease of root's"
  while read -r key value rest; do
    [ -z "$rest" ] || fail "not a lease line: $key $value $rest"
    case $key in
      domid) domid=$value ;;
      uid) uid=$value ;;
      gid) gid=$value ;;
      shared) shared=$value ;;
      user) user=$value ;;
      *) fail "not a lease line: $key $value" ;;
    esac
  done <"$lease"
  case $shared in yes | no) ;; *) fail "shared is neither yes nor no: $shared" ;; esac
  case $user in
    '' | xen-qemuuser-range-base | xen-qemuuser-shared) ;;
    xen-qemuuser-domid*[!0-9]*) fail "not a user of guests: $user" ;;
    xen-qemuuser-domid?*) ;;
    *) fail "not a user of guests: $user" ;;
  esac
  for value in "$domid" "$uid" "$gid"; do
    case $value in
      '' | *[!0-9]* | 0* | ???????????*) fail "not a number that may be leased: '$value'" ;;
    esac
  done
  for value in "$uid" "$gid"; do
    case $value in 65534 | 65535 | 429496729[4-9]) fail "$value is never leased" ;; esac
    [ "$value" -lt 4294967294 ] || fail "$value is no user or group id"
  done
}

# A uid is the guest's alone: the user is there, no other name or range holds it, and no process of an earlier start is left
step_user() {
  step=user code=42
  logger_uid='' logger_gid='' user_uid=''
  # getent knows every source but gives one name to a uid; a second one in passwd is the same user to the kernel
  entries=$(getent passwd stockade-logger "$uid" $user || :; grep -sE "^[^:]*:[^:]*:0*$uid:" /etc/passwd || :)
  while IFS=: read -r name _ id group _; do
    if [ "$name" = stockade-logger ]; then logger_uid=$id logger_gid=$group; fi
    if [ -n "$user" ] && [ "$name" = "$user" ]; then user_uid=$id; fi
    [ "$id" = "$uid" ] || continue
    case $user:$name in :xen-qemuuser-*) ;; :*) false ;; *) [ "$name" = "$user" ] ;; esac ||
      fail "wanted to use uid $uid but that is user $name"
  done <<END
$entries
END
  if [ -n "$user" ]; then
    [ -n "$user_uid" ] || fail "user $user does not exist"
    [ "$user" = xen-qemuuser-range-base ] || [ "$user_uid" = "$uid" ] || fail "user $user has uid $user_uid, not $uid"
  fi
  case $logger_uid:$logger_gid in
    :* | *: | 0:* | *:0 | *[!0-9:]*) fail 'there is no unprivileged user stockade-logger' ;;
  esac
  for ranges in /etc/subuid /etc/subgid; do
    [ -f "$ranges" ] || continue
    case $ranges in *uid) id=$uid ;; *) id=$gid ;; esac
    while IFS=: read -r name first count _ || [ -n "$name" ]; do
      case $first:$count in *[!0-9:]* | :* | *: | 0[0-9]* | *:0* | ???????????*:* | *:???????????*) continue ;; esac
      [ "$id" -lt "$first" ] || [ "$id" -ge "$((first + count))" ] ||
        fail "wanted to use id $id but that is in a range of $name in $ranges"
    done <"$ranges"
  done
  if [ "$shared" = no ]; then
    stockade_hold "$uid" || fail "cannot lock $uids/$uid"
    if [ "$holder" = "$guest" ]; then
      stockade_reap "$uid" || fail "processes of uid $uid cannot be ended: $strays"
    else
      held_uid=''
      [ -z "$holder" ] || [ ! -f "${lease%/*/lease}/$holder/lease" ] || while read -r key value; do
        [ "$key" != uid ] || held_uid=$value
      done <"${lease%/*/lease}/$holder/lease"
      [ "$held_uid" != "$uid" ] || fail "guest $holder was started as uid $uid already, and still has it"
      strays=$(stockade_strays "$uid") || fail '/proc cannot be searched'
      [ -z "$strays" ] || fail "uid $uid has processes that this guest did not start, left alone: $(stockade_describe $strays)"
      printf '%s\n' "$guest" >"$uids/$uid" || fail "cannot write $uids/$uid"
    fi
    exec 6<&-
  fi
}

# What runs or is opened as root is root's alone, and so is the way there; used by the names that were looked at
step_trusted_files() {
  step=trusted-files code=49
  set -- /usr/libexec/xen-qemu-system-i386 /boot/vmlinuz
  for path do [ -f "$path" ] || fail "$path is no regular file, or not there"; done
  found=$(readlink -e -- "$@") || fail "cannot resolve $*"
  {
    IFS= read -r device_model
    IFS= read -r guest_kernel
  } <<END
$found
END
  refused=$(stockade_untrusted "$@")
  [ -z "$refused" ] || fail "$refused: root must own it and all directories above it (chown root), and nobody else may write there (chmod go-w)"
}

# The name is free, but for a domain of ours that an earlier launch left behind: that is ended
step_domain() {
  step=domain code=56
  [ -d "$run" ] || mkdir -p -m 0700 -- "${run%/*/*}" "${run%/*}" "$run" || fail "cannot make $run"
  look_for_domain || fail 'xl list gives no answer: does the host run as control domain of Xen?'
  [ -z "$other" ] || fail "a domain called $guest that is not ours is there (domid $other): rename or remove it, or give the guest another name"
  end_domain || fail "an earlier domain of the guest (domid $domid) cannot be ended"
  started=$(grep -lsE "^[[:space:]]*(name[[:space:]]*=[[:space:]]*[\"']$guest[\"']|uuid[[:space:]]*=[[:space:]]*[\"']$uuid[\"'])" /etc/xen/auto/* || :)
  [ -z "$started" ] || fail "xendomains would start the guest a second time: remove $started"
  ! getent passwd xen-qemuuser-range-base >/dev/null ||
    fail 'libxl would take user xen-qemuuser-range-base of this host before xen-qemuuser-shared: use users of the scheme range'
}

# FIFOs for the monitor and for what QEMU prints, in a directory only root can enter; the logs belong to the loggers' user
step_files() {
  step=files code=44
  set --
  for fifo in serial serial.in stderr; do
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
  [ $# -eq 0 ] || chown "$logger_uid:$logger_gid" -- "$@" || fail "cannot give $* to the loggers"
}

# xl, with the device model that it starts, in the unit's own control group; both ends of the pipes are opened first
step_launch() {
  step=launch code=48
  printf '%s' 'name = "web1"
uuid = "000b3d50-3e67-82bf-810b-ea880c64da29"
type = "hvm"
memory = 128
vcpus = 1
device_model_version = "qemu-xen"
dm_restrict = 1
cmdline = "console=ttyS0"
serial = "pipe:/run/stockade/guests/web1/serial"
vga = "none"
vnc = 0
sdl = 0
disk = []
on_poweroff = "destroy"
on_reboot = "preserve"
on_watchdog = "preserve"
on_crash = "preserve"
' >"$run/xl.cfg" || fail "cannot write $run/xl.cfg"
  for file in "$device_model" "$guest_kernel"; do
    case $file in *[[:cntrl:]]*) fail "a control character is in the name $file" ;; esac
  done
  printf 'device_model_override = %s\nkernel = %s\n' "$device_model" "$guest_kernel" |
    sed 's/["\\]/\\&/g; s/ = /&"/; s/$/"/' >>"$run/xl.cfg" || fail "cannot write $run/xl.cfg"
  case $user in xen-qemuuser-domid*) printf 'device_model_user = "%s"\n' "$user" >>"$run/xl.cfg" ;; esac
  ln -sfn serial "$run/serial.out" || fail "cannot make $run/serial.out"
  command exec 3<>"$run/serial" 4<>"$run/stderr" || fail "cannot open $run/stderr"
  logger='segment=0
[ ! "$2.0" -nt "$2.1" ] || segment=1
while :; do
  : >"$2.$segment"
  if stdbuf -o0 head -c "$1" >>"$2.$segment"; then
    if cmp -s -i "$(($1 - 1)):0" "$2.$segment" /dev/null; then exit 0; fi
  else
    sleep 1
  fi
  segment=$((1 - segment))
done'
  start_logger stderr 131072
  said=$!
  start_logger serial 32768
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
    until timeout 5 tail --pid="$xl" -s 0.2 -f /dev/null; do
      is_abandoned "$model" || continue
      end_domain || :
      fail "the device model of domain $domid ended: its last words are in /var/log/xen/qemu-dm-$guest.log"
    done
    wait "$xl" || :
    look_for_domain || fail 'xl list gives no answer'
    [ -n "$domid" ] || return 0
    why=$reason
    end_domain || fail "domain $domid cannot be ended"
    [ "$why" = 1 ] || fail "the guest crashed (domain $domid, reason $why): its last words are in $log/serial.0 and serial.1"
    IFS=. read -r now _ </proc/uptime
    if [ "$starts" -eq 0 ] || [ "$((now - since))" -gt 600 ]; then starts=0 since=$now; fi
    starts=$((starts + 1))
    [ "$starts" -le 5 ] ||
      fail "the guest starts again over and over (5 times in 600 s): its last words are in $log/serial.0 and serial.1"
  done
}

# Nothing of the guest is left alive after its end, wherever on the host it went; of a shared user nobody can tell
step_reap() {
  step=reap code=51
  [ "$shared" = no ] && [ -s "$uids/$uid" ] || return 0
  stockade_hold "$uid" || fail "cannot lock $uids/$uid"
  [ "$holder" != "$guest" ] || stockade_reap "$uid" || fail "processes of uid $uid cannot be ended: $strays"
  exec 6<&-
}

# The guest is asked to power off and has 20 s to go; then its domain is destroyed
stop_guest() {
  main=${MAINPID:-}
  left=20
  while [ "$left" -gt 0 ] && look_for_domain && [ -n "$domid" ]; do
    timeout 30 xl shutdown -F "$domid" >/dev/null 2>&1 || :
    if ended_within $((left < 5 ? left : 5)); then return 0; fi
    left=$((left - 5))
  done
  end_domain || echo 'stockade-launch: stop: the domain cannot be ended' >&2
  ended_within 20 || :
}
ended_within() {
  [ -n "$main" ] && [ -d "/proc/$main" ] || return 0
  timeout "$1" tail --pid="$main" -s 0.1 -f /dev/null
}

case ${1-} in
  run)
    exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
    [ ! -f "$launch_error" ] || : >"$launch_error"
    step_lease
    step_user
    step_trusted_files
    step_domain
    step_files
    step_launch
    ;;
  stop) stop_guest ;;
  over)
    exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
    left=''
    end_domain || left=$domid
    remove_roots
    step_lease
    step_reap
    step=domain code=56
    [ -z "$left" ] || fail "the domain of the guest (domid $left) cannot be ended"
    ;;
  *)
    echo 'usage: launch run | stop' >&2
    exit 64
    ;;
esac
