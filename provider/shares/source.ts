import { sh, type ShellText } from '../model/shell.ts';

/**
 * The directory is looked at once and then used by what was looked at, never by its name again: it is entered, and everything after
 * is about the working directory.
 */
export const sourceFunctions: ShellText = sh`# The directory that is shared, entered; no link leads to it, and nobody else may make files of root's there for the host's users to find
look_at_source() {
  step=source
  [ -e "$source" ] || [ -L "$source" ] || fail "$source is not there"
  [ -d "$source" ] || fail "$source is no directory"
  cd -P -- "$source" || fail "cannot enter $source"
  [ "$(pwd -P)" = "$source" ] || fail "$source leads over a symbolic link: give the directory's own path, $(pwd -P)"
  stat -c '%d %i' -- . >"$record" || fail "cannot write $record"
  untrusted=$(stockade_untrusted "$helper")
  [ -z "$untrusted" ] || fail "$untrusted: root runs it, so it and all directories above it must be root's alone"
  [ "$readonly" = no ] || return 0
  closed_to_others || fail "$source is written to by root for a guest, and users of the host can get at it: mount it with nosuid and nodev, or let only root enter a directory above it (chmod 0700)"
  take_lock
}
# The lock of who writes to the directory: a sole writer's alone. In a file, since QEMU could hold one on the directory itself; one that was
# removed meanwhile is no lock
take_lock() {
  how=-s
  [ "$only_writer" = no ] || how=-x
  lock_of_source || fail "cannot read $record"
  while :; do
    command exec 4>>"$lock" || fail "cannot open $lock"
    flock -n "$how" 4 || fail "another guest writes to $source; where both may, say writers = many in both"
    [ ! "$lock" -ef /proc/self/fd/4 ] || break
  done
}
lock_of_source() {
  device='' inode=''
  [ ! -f "$record" ] || read -r device inode <"$record"
  case $device:$inode in :* | *: | *[!0-9:]*) return 1 ;; esac
  lock=$locks/share-$device-$inode.lock
}
# Goes with the last who has it
leave_lock() {
  [ "$readonly" = no ] && lock_of_source && [ -f "$lock" ] || return 0
  { command exec 4>>"$lock" && flock -n -x 4; } || return 0
  rm -f -- "$lock"
}
# closed_to_others: whether the working directory is on a mount without set-user-id programs and devices, or below a directory of
# root's alone. Its own mode is the guest's to change
closed_to_others() {
  above=\${source%/*} up=..
  set --
  while [ -n "$above" ]; do
    set -- "$@" "$up"
    above=\${above%/*} up=$up/..
  done
  [ $# -eq 0 ] || [ -z "$(find "$@" -maxdepth 0 -uid 0 ! -perm /077 -printf . -quit)" ] || return 0
  # by the number of the mount that it was entered by: names may be mounted over
  number='' mounted=''
  command exec 5<. || return 1
  while read -r key value; do [ "$key" != mnt_id: ] || number=$value; done </proc/self/fdinfo/5
  exec 5<&-
  while read -r id _ _ _ _ options _; do [ "$id" != "$number" ] || mounted=$options; done </proc/self/mountinfo
  case ,$mounted, in *,nosuid,*) case ,$mounted, in *,nodev,*) return 0 ;; esac ;; esac
  return 1
}`;
