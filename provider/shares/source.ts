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
  [ "$only_writer" = no ] || { command exec 4<. && flock -n -x 4; } || fail "another guest writes to $source; where both may, say writers = many in both"
}
# closed_to_others: whether the working directory is on a mount without set-user-id programs and devices, or below a directory of
# root's alone. Its own mode is the guest's to change
closed_to_others() {
  above=$source
  set --
  while [ -n "\${above%/*}" ]; do
    above=\${above%/*}
    set -- "$@" "$above"
  done
  [ $# -eq 0 ] || [ -z "$(find "$@" -maxdepth 0 -uid 0 ! -perm /077 -printf . -quit)" ] || return 0
  mounted=$(findmnt --noheadings --first-only --output VFS-OPTIONS --target .) || return 1
  case ,$mounted, in *,nosuid,*) case ,$mounted, in *,nodev,*) return 0 ;; esac ;; esac
  return 1
}`;
