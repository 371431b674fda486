#!/bin/sh
# Starts and stops the guest web1. Made by Stockade: edits show as drift and are undone.
#   launch run     what the guest's unit starts: prepares the jail, ends as the parent of QEMU's pid namespace
#   launch inside  the second half of run, in the new namespaces
#   launch stop    presses the guest's power button, waits, then ends QEMU
#   launch over    when the unit is over: ends what is left of the guest's processes
set -eu
umask 077
PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
export PATH LC_ALL
cd /

guest=web1
launcher=/var/lib/stockade/guests/web1/launch
lease=/var/lib/stockade/guests/web1/lease
log=/var/lib/stockade/guests/web1/log
run=/run/stockade/guests/web1
chroot=/run/stockade/root/web1
view=/run/stockade/guests/web1/view
launch_error=/run/stockade/guests/web1/launch-error

# fail TEXT: ends the launch, says at which step and why
fail() {
  printf 'stockade-launch: %s: %s\n' "$step" "$1" >&2
  [ -d "$run" ] || mkdir -p -- "$run" || :
  printf '%s: %s\n' "$step" "$1" >"$launch_error" || :
  exit "$code"
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

# fstab_word TEXT: sets escaped to what fstab(5) has for it
fstab_word() {
  escaped='' rest=$1
  while :; do
    plain=${rest%%[\\[:blank:]]*}
    escaped=$escaped$plain rest=${rest#"$plain"}
    case $rest in
      '') return 0 ;;
      ' '*) escaped=$escaped'\040' ;;
      '\'*) escaped=$escaped'\134' ;;
      *) escaped=$escaped'\011' ;;
    esac
    rest=${rest#?}
  done
}
# show PATH PLACE: a file or directory of the host, read-only, at that place of the view
show() {
  [ -d "$view${2%/*}" ] || mkdir -p -- "$view${2%/*}" || fail "cannot fill $view"
  if [ -d "$1" ]; then [ -d "$view$2" ] || mkdir -- "$view$2"; else : >"$view$2"; fi || fail "cannot fill $view"
  fstab_word "$1"
  shown=$escaped
  fstab_word "$view$2"
  printf '%s %s none %s 0 0\n' "$shown" "$escaped" bind,ro,nosuid,nodev
}
# show_qemu: one that was installed outside /usr, with what lies beside it
show_qemu() {
  case $qemu_binary in /usr/* | /bin/* | /sbin/*) return 0 ;; esac
  show "$qemu_binary" "$qemu_binary"
  case $qemu_binary in */bin/*) ;; *) return 0 ;; esac
  for path in lib lib64 libexec share; do
    [ ! -d "${qemu_binary%/bin/*}/$path" ] || show "${qemu_binary%/bin/*}/$path" "${qemu_binary%/bin/*}/$path"
  done
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

# enter_source: goes to the directory $source, to which no link leads, and records in $record which one that is: DEVICE INODE
enter_source() {
  [ -e "$source" ] || [ -L "$source" ] || fail "$source is not there: make it (mkdir -p $source), with the owner and mode that the guest is to find"
  [ -d "$source" ] || fail "$source is no directory: only directories are shared"
  cd -P -- "$source" || fail "cannot enter $source"
  [ "$(pwd -P)" = "$source" ] || fail "$source leads over a symbolic link: give the directory's own path, $(pwd -P)"
  stat -c '%d %i' -- . >"$record" || fail "cannot write $record"
}
# refuse_exposed: a program with a set-user-id bit that the guest makes there is one for every user of the host who gets at it
refuse_exposed() {
  closed_to_others || fail "$source is written to for a guest, and users of the host can get at it$seen_at: mount it there with nosuid and nodev, or let only root enter a directory above that (chmod 0700)"
}
# closed_to_others: whether the working directory is below a directory of root's alone, or on a mount without set-user-id programs and
# devices, and so wherever else its file system is mounted: else seen_at says where. Its own mode is the guest's to change
closed_to_others() {
  above=${source%/*} up=.. seen_at=''
  set --
  while [ -n "$above" ]; do
    set -- "$@" "$up"
    above=${above%/*} up=$up/..
  done
  safe=no
  ! roots_alone "$@" || safe=yes
  # by the number of the mount that it was entered by: names may be mounted over
  mount_of . || return 1
  own=$number inside=''
  while read -r id _ device root point options _; do
    [ "$id" = "$own" ] || continue
    ! takes_neither "$options" || safe=yes
    plain_text "$point"
    beyond=${source#"${plain%/}"} file_system=$device
    plain_text "$root"
    inside=${plain%/}$beyond
  done </proc/self/mountinfo
  [ "$safe:${inside:+found}" = yes:found ] || return 1
  while read -r id _ device root point options _; do
    [ "$device" = "$file_system" ] && [ "$id" != "$own" ] && ! takes_neither "$options" || continue
    plain_text "$root"
    top=${plain%/}
    case $inside/ in "$top"/*) ;; *) continue ;; esac
    plain_text "$point"
    place=${plain%/}${inside#"$top"}
    # something else may be mounted over it
    [ "$place" -ef . ] && mount_of "$place" && [ "$number" = "$id" ] || continue
    above=${place%/*}
    set --
    while [ -n "$above" ]; do set -- "$@" "$above"; above=${above%/*}; done
    roots_alone "$@" || { seen_at=" at $place"; return 1; }
  done </proc/self/mountinfo
  return 0
}
# roots_alone DIRECTORY...: whether one of them is root's, and closed to others
roots_alone() {
  [ $# -gt 0 ] && [ -n "$(find "$@" -maxdepth 0 -uid 0 ! -perm /077 -printf . -quit)" ]
}
# mount_of PATH: sets number to that of the mount it is on
mount_of() {
  number=''
  command exec 5<"$1" || return 1
  while read -r key value; do [ "$key" != mnt_id: ] || number=$value; done </proc/self/fdinfo/5
  exec 5<&-
}
# takes_neither OPTIONS: of a mount without set-user-id programs and devices
takes_neither() {
  case ,$1, in *,nosuid,*) case ,$1, in *,nodev,*) return 0 ;; esac ;; esac
  return 1
}
# plain_text WORD: sets plain to what a word of mountinfo means; each backslash there begins three octal digits
plain_text() {
  plain='' coded=$1
  case $coded in *\\*) ;; *) plain=$coded; return 0 ;; esac
  while case $coded in *\\*) ;; *) false ;; esac; do plain=$plain${coded%%\\*}'\0' coded=${coded#*\\}; done
  plain=$(printf '%b.' "$plain$coded")
  plain=${plain%.}
}
locks=/run/stockade
lock_of() {
  device='' inode=''
  [ ! -f "$1" ] || read -r device inode <"$1"
  case $device:$inode in :* | *: | *[!0-9:]*) return 1 ;; esac
  lock=$locks/share-$device-$inode.lock
}
# Goes with the last who has it; nothing that is done after that keeps others waiting
leave_lock() {
  lock_of "$1" && [ -f "$lock" ] || return 0
  command exec 4>>"$lock" || return 0
  ! flock -n -x 4 || rm -f -- "$lock"
  exec 4>&-
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

# An empty directory of root's that nobody can write to; one with something in it is a sign of tampering, never emptied
step_chroot() {
  step=chroot code=43
  [ -d "${chroot%/*}" ] && [ -d "$run" ] || mkdir -p -m 0700 -- "${run%/*/*}" "${chroot%/*}" "${run%/*}" "$run" ||
    fail "cannot make $run"
  [ ! -L "$chroot" ] || fail "$chroot is a symbolic link"
  tries=0
  while [ -e "$chroot" ] && ! said=$(rmdir -- "$chroot" 2>&1); do
    tries=$((tries + 1))
    case $said in *'Interrupted system call'*) [ "$tries" -ge 100 ] || continue ;; esac
    found=''
    for entry in "$chroot"/* "$chroot"/.[!.]* "$chroot"/..?*; do
      if [ -e "$entry" ] || [ -L "$entry" ]; then found="$found '${entry##*/}'"; fi
    done
    fail "$(printf '%.600s' "$chroot is not an empty directory; in it:${found:- nothing} ($said)")"
  done
  until said=$(mkdir -m 0000 -- "$chroot" 2>&1); do
    tries=$((tries + 1))
    case $said in *'Interrupted system call'*) [ "$tries" -ge 100 ] || continue ;; esac
    fail "cannot make $chroot: $said"
  done
}

# FIFOs for the monitor and for what QEMU prints, in a directory only root can enter; the logs belong to the loggers' user
step_files() {
  step=files code=44
  set --
  for fifo in qmp.in qmp.out serial stderr; do
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

# A view of mounts, ipc, network, host name and cgroups of its own, private before anything else; no variable comes along
step_namespaces() {
  step=namespaces code=45
  exec env -i PATH="$PATH" LC_ALL=C \
    unshare --mount --propagation private --ipc --net --uts --cgroup \
    /bin/sh "$launcher" inside "$uid" "$gid" "$shared" "$logger_uid" "$logger_gid"
}

# What runs or is opened as root is root's alone, and so is the way there; used by the names that were looked at
step_trusted_files() {
  step=trusted-files code=49
  set -- /usr/bin/qemu-system-x86_64 /k/vmlinuz /k/initrd
  for path do [ -f "$path" ] || fail "$path is no regular file, or not there"; done
  found=$(readlink -e -- "$@") || fail "cannot resolve $*"
  {
    IFS= read -r qemu_binary
    IFS= read -r guest_kernel
    IFS= read -r guest_initrd
  } <<END
$found
END
  refused=$(stockade_untrusted "$@")
  [ -z "$refused" ] || fail "$refused: root must own it and all directories above it (chown root), and nobody else may write there (chmod go-w)"
}

# A root of its own with nothing of the host but programs, libraries and the guest's own files
step_view() {
  step=view code=53
  [ ! /proc/self/ns/mnt -ef /proc/1/ns/mnt ] || fail 'the mounts are those of the host itself'
  [ -d "$view" ] || mkdir -- "$view" || fail "cannot make $view"
  umask 022
  mount -t tmpfs -o mode=755,size=65536,nosuid,nodev,noexec stockade-view "$view" || fail "cannot mount $view"
  mkdir -p -- /run/stockade/guests/web1/view/usr /run/stockade/guests/web1/view/run/stockade/guests/web1 /run/stockade/guests/web1/view/var/lib/stockade/guests/web1/log /run/stockade/guests/web1/view/run/stockade/root/web1 /run/stockade/guests/web1/view/dev /run/stockade/guests/web1/view/etc /run/stockade/guests/web1/view/host /run/stockade/guests/web1/view/proc/sys/kernel || fail "cannot fill $view"
  set --
  {
    printf '%s\n' \
      '/usr /run/stockade/guests/web1/view/usr none bind,ro,nosuid,nodev 0 0' \
      '/run/stockade/guests/web1 /run/stockade/guests/web1/view/run/stockade/guests/web1 none bind,nosuid,nodev,noexec 0 0' \
      '/var/lib/stockade/guests/web1/log /run/stockade/guests/web1/view/var/lib/stockade/guests/web1/log none bind,nosuid,nodev,noexec 0 0' \
      '/run/stockade/root/web1 /run/stockade/guests/web1/view/run/stockade/root/web1 none bind,ro,nosuid,nodev,noexec 0 0' \
      'stockade-dev /run/stockade/guests/web1/view/dev tmpfs mode=755,size=65536,nosuid,noexec 0 0' \
      'stockade-pts /run/stockade/guests/web1/view/dev/pts devpts newinstance,mode=600,ptmxmode=666,nosuid,noexec,X-mount.mkdir 0 0' \
      'stockade-shm /run/stockade/guests/web1/view/dev/shm tmpfs mode=1777,size=65536,nosuid,nodev,noexec,X-mount.mkdir 0 0' \
      'stockade-mqueue /run/stockade/guests/web1/view/dev/mqueue mqueue nosuid,nodev,noexec,X-mount.mkdir 0 0' \
      || fail "cannot write $run/fstab"
    for path in /bin /sbin /lib /lib32 /lib64 /libx32; do
      if [ -L "$path" ]; then set -- "$@" "$path"; elif [ -d "$path" ]; then show "$path" "$path"; fi
    done
    for path in /etc/ld.so.cache /proc/sys/kernel/cap_last_cap; do
      [ ! -f "$path" ] || show "$path" "$path"
    done
    show_qemu
    [ -z "${guest_kernel-}" ] || show "$guest_kernel" /guest-kernel
    [ -z "${guest_initrd-}" ] || show "$guest_initrd" /guest-initrd
  } >"$run/fstab"
  [ $# -eq 0 ] || cp -P -- "$@" "$view/" || fail "cannot fill $view"
  mount --all --fstab "$run/fstab" || fail 'cannot mount what the guest is to see'
  # show_share DIRECTORY PLACE OPTIONS [real]: the directory itself, whatever its name leads to by then
  show_share() {
    mkdir -p -- "$view$2" || fail "cannot fill $view"
    (
      source=$1 record=$run/share-${2##*/}.source
      enter_source
      case ,$3, in *,ro,*) ;; *)
        setpriv --reuid="$uid" --regid="$gid" --clear-groups test -w . ||
          fail "the guest's user may not write to $source: give it to uid $uid (chown $uid), or share it readonly" ;;
      esac
      [ "${4-}" != real ] || refuse_exposed
      mount --no-canonicalize -o bind . "$view$2" && mount -o "remount,bind,$3" "$view$2" ||
        fail "cannot mount $source for QEMU to see: journalctl --unit=stockade-guest@$guest says why"
    ) || exit
  }
  show_share /srv/w /share/0 nosuid,nodev real
  source=/srv/w how=-s
  lock_of "$run"/share-0.source || fail "cannot read the record of $source"
  while :; do
    command exec 9>>"$lock" || fail "cannot open $lock"
    flock -w 2 "$how" 9 || fail "another guest writes to $source; where both may, say writers = many in both"
    [ ! "$lock" -ef /proc/self/fd/9 ] || break
  done
  umask 077
}

# A /dev with nothing but what QEMU needs: the host's nodes by name, and its own terminals, shared memory and queues
step_device_nodes() {
  step=device-nodes code=46
  [ ! -e "$run/devices" ] || : >"$run/devices"
  set -- 
  for path in /dev/full /dev/null /dev/random /dev/urandom /dev/zero; do
    [ ! -e "$path" ] || set -- "$@" "$path"
  done
  cp -a -- "$@" "$view/dev/pts/ptmx" "$view/dev/" || fail 'cannot copy device nodes'
}

# In its own root from here on; the host's is nowhere in it
step_enter_view() {
  step=enter-view code=54
  mount -o remount,ro "$view" && cd -- "$view" && pivot_root . host && chroot host umount --lazy / && cd / ||
    fail 'cannot enter the view'
  guest_kernel=/guest-kernel guest_initrd=/guest-initrd
}

# What QEMU prints goes through pipes; opened for both directions first, so that no end waits for the other
step_pipes() {
  step=pipes code=52
  command exec 1<>"$run/stderr" && command exec >"$run/stderr" || fail "cannot open $run/stderr"
  command exec 3<>"$run/serial" && command exec 3>"$run/serial" || fail "cannot open $run/serial"
}

# At the other end of the pipes: unprivileged loggers, which stop when all is written
step_loggers() {
  step=loggers code=47
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
  start_logger serial 524288
}

# QEMU, process 1 of its own pid namespace: limited, without privileges to gain, it then drops root and locks itself in
step_launch() {
  step=launch code=48
  own_user=yes
  [ "$shared" = no ] || own_user=''
  command exec </dev/null || fail 'there is no /dev/null'
  exec prlimit --fsize=2147483648 --nofile=2048 --core=0 --msgqueue=0 --memlock=0 --locks=0 ${own_user:+--nproc=82} \
    unshare --pid --fork --kill-child \
    sh -c 'mount -t proc -o nosuid,nodev,noexec stockade-proc /proc && exec "$@" 9>&-' sh \
    setpriv --no-new-privs --bounding-set=-all,+setuid,+setgid,+sys_chroot,+dac_read_search --inh-caps=-all \
    "$qemu_binary" -name guest=web1 -no-user-config -nodefaults -display none -msg timestamp=on -machine q35,accel=tcg,dump-guest-core=off -cpu max -smp cpus=2 -m size=256M -add-fd fd=3,set=1,opaque=serial -chardev file,id=serial0,path=/dev/fdset/1,append=on -serial chardev:serial0 -chardev pipe,id=qmp,path=/run/stockade/guests/web1/qmp -mon chardev=qmp,mode=control -kernel "$guest_kernel" -initrd "$guest_initrd" -append 'console=ttyS0 panic=-1' \
    -run-with "user=$uid:$gid" \
     \
    -sandbox on,obsolete=deny,spawn=deny,resourcecontrol=deny \
    2>&1
}

# Nothing of the guest is left alive after its end, wherever on the host it went; of a shared user nobody can tell
step_reap() {
  step=reap code=51
  [ "$shared" = no ] && [ -s "$uids/$uid" ] || return 0
  stockade_hold "$uid" || fail "cannot lock $uids/$uid"
  [ "$holder" != "$guest" ] || stockade_reap "$uid" || fail "processes of uid $uid cannot be ended: $strays"
  exec 6<&-
}

# The guest gets its power button pressed and 20 s to go; then QEMU is told to end, then killed
stop_guest() {
  main=${MAINPID:-}
  [ -n "$main" ] && [ -d "/proc/$main" ] || return 0
  if [ -p "$run/qmp.in" ]; then
    exec 3<>"$run/qmp.in"
    # a QEMU that has filled the FIFO itself holds nobody up
    left=20
    while [ "$left" -gt 0 ]; do
      timeout 1 sh -c 'printf "%s\n" "$@" >&3' sh '{"execute":"qmp_capabilities"}' '{"execute":"system_powerdown"}' || :
      # a guest that still boots does not hear the first press
      if ended_within $((left < 3 ? left : 3)); then return 0; fi
      left=$((left - 3))
    done
  fi
  signal_qemu TERM
  ended_within 5 || signal_qemu KILL
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
} 2>/dev/null

case ${1-} in
  run)
    exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
    [ ! -f "$launch_error" ] || : >"$launch_error"
    step_lease
    step_user
    step_chroot
    step_files
    step_namespaces
    ;;
  inside)
    uid=$2 gid=$3 shared=$4 logger_uid=$5 logger_gid=$6
    step_trusted_files
    step_view
    step_device_nodes
    step_enter_view
    step_pipes
    step_loggers
    step_launch
    ;;
  stop) stop_guest ;;
  over)
    exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
    leave_lock "$run"/share-0.source
    step_lease
    step_reap
    ;;
  *)
    echo 'usage: launch run | stop' >&2
    exit 64
    ;;
esac
