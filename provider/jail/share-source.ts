import { sh, type ShellText } from '../model/shell.ts';

/**
 * How a directory that is shared is come by, whoever serves it: looked at once and then used by what was looked at, never by its name again.
 * It is entered, and everything after is about the working directory.
 */
export const enterSource: ShellText = sh`# enter_source: goes to the directory $source, to which no link leads, and records in $record which one that is: DEVICE INODE
enter_source() {
  [ -e "$source" ] || [ -L "$source" ] || fail "$source is not there: make it (mkdir -p $source), with the owner and mode that the guest is to find"
  [ -d "$source" ] || fail "$source is no directory: only directories are shared"
  cd -P -- "$source" || fail "cannot enter $source"
  [ "$(pwd -P)" = "$source" ] || fail "$source leads over a symbolic link: give the directory's own path, $(pwd -P)"
  stat -c '%d %i' -- . >"$record" || fail "cannot write $record"
}`;

/** For a directory where a guest makes files that are what it says they are (`makesRealFiles`), once it was entered. */
export const refuseExposed: ShellText = sh`# refuse_exposed: a program with a set-user-id bit that the guest makes there is one for every user of the host who gets at it
refuse_exposed() {
  closed_to_others || fail "$source is written to for a guest, and users of the host can get at it$seen_at: mount it there with nosuid and nodev, or let only root enter a directory above that (chmod 0700)"
}
# closed_to_others: whether the working directory is below a directory of root's alone, or on a mount without set-user-id programs and
# devices, and so wherever else its file system is mounted: else seen_at says where. Its own mode is the guest's to change
closed_to_others() {
  above=\${source%/*} up=.. seen_at=''
  set --
  while [ -n "$above" ]; do
    set -- "$@" "$up"
    above=\${above%/*} up=$up/..
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
    beyond=\${source#"\${plain%/}"} file_system=$device
    plain_text "$root"
    inside=\${plain%/}$beyond
  done </proc/self/mountinfo
  [ "$safe:\${inside:+found}" = yes:found ] || return 1
  while read -r id _ device root point options _; do
    [ "$device" = "$file_system" ] && [ "$id" != "$own" ] && ! takes_neither "$options" || continue
    plain_text "$root"
    top=\${plain%/}
    case $inside/ in "$top"/*) ;; *) continue ;; esac
    plain_text "$point"
    place=\${plain%/}\${inside#"$top"}
    # something else may be mounted over it
    [ "$place" -ef . ] && mount_of "$place" && [ "$number" = "$id" ] || continue
    above=\${place%/*}
    set --
    while [ -n "$above" ]; do set -- "$@" "$above"; above=\${above%/*}; done
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
  case $coded in *\\\\*) ;; *) plain=$coded; return 0 ;; esac
  while case $coded in *\\\\*) ;; *) false ;; esac; do plain=$plain\${coded%%\\\\*}'\\0' coded=\${coded#*\\\\}; done
  plain=$(printf '%b.' "$plain$coded")
  plain=\${plain%.}
}`;
