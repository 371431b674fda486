#!/bin/sh
# Starts the helpers that share directories of the host with the guest web1. Made by Stockade: edits show as drift and are undone.
#   shares run TAG     what the helper's unit starts: looks at the directory, prepares the jail, ends as the parent of the helper's pid namespace
#   shares inside TAG  the second half of run, in the new namespaces
#   shares over TAG    when the helper has ended: its guest does not go on without it
set -eu
# a helper whose guest wants a larger file than it may have is told so, and not ended
trap '' XFSZ
umask 077
PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
export PATH LC_ALL

script=/var/lib/stockade/guests/web1/shares
unit=stockade-guest@web1.service
launch_error=/run/stockade/guests/web1/launch-error
locks=/run/stockade

# fail TEXT: ends the start of the helper, says at which step and why
fail() {
  printf 'stockade-share %s: %s: %s\n' "$tag" "$step" "$1" >&2
  printf 'share %s: %s: %s\n' "$tag" "$step" "$1" >"$launch_error" || :
  exit 56
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

# The directory that is shared, entered; nobody else may make files of root's there for the host's users to find
look_at_source() {
  step=source
  enter_source
  untrusted=$(stockade_untrusted "$helper")
  [ -z "$untrusted" ] || fail "$untrusted: root runs it, so it and all directories above it must be root's alone"
  [ "$readonly" = no ] || return 0
  refuse_exposed
  take_lock
}
# enter_source: goes to the directory $source, to which no link leads, and records in $record which one that is: DEVICE INODE
enter_source() {
  [ -e "$source" ] || [ -L "$source" ] || fail "$source is not there: make it (mkdir -p $source), with the owner and mode that the guest is to find"
  [ -d "$source" ] || fail "$source is no directory: only directories are shared"
  cd -P -- "$source" || fail "cannot enter $source"
  [ "$(pwd -P)" = "$source" ] || fail "$source leads over a symbolic link: give the directory's own path, $(pwd -P)"
  stat -c '%d %i' -- . >"$record" || fail "cannot write $record"
}
# The lock of who writes to the directory: a sole writer's alone. In a file, since QEMU could hold one on the directory itself
take_lock() {
  how=-s
  [ "$only_writer" = no ] || how=-x
  lock_of "$record" || fail "cannot read $record"
  while :; do
    command exec 4>>"$lock" || fail "cannot open $lock"
    flock -w 2 "$how" 4 || fail "another guest writes to $source; where both may, say writers = many in both"
    [ ! "$lock" -ef /proc/self/fd/4 ] || break
  done
}
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

# A root of its own with nothing of the host but programs, libraries and the directory that is shared
make_view() {
  step=view
  [ ! /proc/self/ns/mnt -ef /proc/1/ns/mnt ] || fail 'the mounts are those of the host itself'
  [ -d "$view" ] || mkdir -- "$view" || fail "cannot make $view"
  umask 022
  mount -t tmpfs -o mode=755,size=65536,nosuid,nodev,noexec stockade-view "$view" || fail "cannot mount $view"
  mkdir -p -- "$view/usr" "$view/etc" "$view/proc/sys/kernel" "$view/proc/sys/fs" "$view/host" "$view"/export || fail "cannot fill $view"
  bind=bind
  [ "$submounts" = no ] || bind=rbind
  mount --no-canonicalize -o "$bind" . "$view"/export || fail "cannot mount $source"
  set --
  {
    for path in /usr /etc/ld.so.cache /proc/sys/kernel/cap_last_cap /proc/sys/fs/file-max /proc/sys/fs/nr_open; do
      [ -e "$path" ] || continue
      [ -d "$path" ] || : >"$view$path"
      printf '%s %s none bind,ro,nosuid,nodev 0 0\n' "$path" "$view$path"
    done
    for path in /bin /sbin /lib /lib32 /lib64 /libx32; do
      if [ -L "$path" ]; then set -- "$@" "$path"
      elif [ -d "$path" ]; then
        mkdir -- "$view$path"
        printf '%s %s none bind,ro,nosuid,nodev 0 0\n' "$path" "$view$path"
      fi
    done
  } >"$view.fstab" || fail "cannot write $view.fstab"
  [ $# -eq 0 ] || cp -P -- "$@" "$view/" || fail "cannot fill $view"
  mount --all --fstab "$view.fstab" || fail 'cannot mount what the helper is to see'
  umask 077
  close_export
  mount -o remount,ro "$view" && cd -- "$view" && pivot_root . host && chroot host umount --lazy / && cd / || fail 'cannot enter the view'
}
# No programs with set-user-id bits and no devices by way of the export, and nothing written where it is read-only; the same below, where that is seen
close_export() {
  options=nosuid,nodev
  [ "$readonly" = no ] || options=ro,nosuid,nodev
  set --
  while read -r _ _ _ _ path _; do
    case $path in
      "$view"/export | "$view"/export/*)
        plain_text "$path"
        set -- "$@" "$plain"
        ;;
    esac
  done </proc/self/mountinfo
  for path do
    mount -o "remount,bind,$options" "$path" || fail "cannot close $path"
  done
}
# By this the kernel is told what confines the next program; soon there is no /proc
open_label() {
  step=label
  label=/proc/self/attr/apparmor/exec
  [ -e "$label" ] || label=/proc/self/attr/exec
  command exec 6>"$label" || fail "cannot open $label"
}
# confine PROFILE
confine() {
  printf 'exec %s' "$1" >&6 || fail "AppArmor has no profile $1: apply the host again"
}

# Each directory under limits of its own, by the helper that was chosen for it
choose() {
  tag=$1
  case $tag in
    data)
      source=/srv/data readonly=yes only_writer=no submounts=no
      record=/run/stockade/guests/web1/share-0.source view=/run/stockade/guests/web1/share-0.view helper=/usr/libexec/virtiofsd
      service=stockade-share-web1:data
      ;;
    *)
      echo "no share of this guest: $tag" >&2
      exit 64
      ;;
  esac
}

# The last command: the helper is process 1 of its own pid namespace, with a file server's privileges and no more to gain
start_helper() {
  step=helper
  case $tag in
    data)
      confine stockade-guest-share-namespace
      exec prlimit --fsize=68719476736 --core=0 --msgqueue=0 --memlock=0 --locks=0 \
        unshare --pid --fork --kill-child \
        sh -c 'mount -t proc -o ro,nosuid,nodev,noexec stockade-proc /proc && exec "$@" 4<&- 6>&-' sh \
        setpriv --no-new-privs --bounding-set=-all,+chown,+dac_override,+fowner,+fsetid,+setgid,+setuid,+mknod,+setfcap,+sys_chroot,+setpcap,+sys_admin --inh-caps=-all \
        /usr/libexec/virtiofsd --fd=3 --shared-dir=/export --sandbox=namespace --seccomp=kill --cache=auto --xattr --no-announce-submounts --rlimit-nofile=0
      ;;
  esac
}

over() {
  [ "$readonly" = yes ] || leave_lock "$record"
  # the start of a helper that failed has said why
  [ "${EXIT_STATUS-}" != 56 ] || said=yes
  systemctl is-active --quiet -- "$unit" || return 0
  if [ "${SERVICE_RESULT-}" = success ]; then
    sleep 1
    systemctl is-active --quiet -- "$unit" || return 0
  fi
  [ -n "${said-}" ] || printf 'share %s: its helper has ended (%s %s); the guest cannot go on without it; what it said: journalctl --unit=%s\n' "$tag" "${EXIT_CODE-}" "${EXIT_STATUS-}" "$service" >"$launch_error" || :
  systemctl stop --no-block -- "$unit"
}

case ${1-} in
  run)
    choose "${2-}"
    look_at_source
    step=namespaces
    exec env -i PATH="$PATH" LC_ALL=C \
      unshare --mount --propagation private --ipc --net --uts --cgroup \
      /bin/sh "$script" inside "$tag"
    ;;
  inside)
    choose "${2-}"
    open_label
    make_view
    start_helper
    ;;
  over)
    choose "${2-}"
    over
    ;;
  *)
    echo 'usage: shares run TAG | over TAG' >&2
    exit 64
    ;;
esac
