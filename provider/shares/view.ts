import { helperFiles } from '../jail/helper-mounts.ts';
import { exportPlace } from '../jail/share-places.ts';
import { programDirectories, viewSize, viewSource } from '../jail/view.ts';
import { sh, type ShellText, word, words } from '../model/shell.ts';

const readOnly = 'bind,ro,nosuid,nodev';
const shown = ['/usr', ...helperFiles];

/**
 * A root of the helper's own: programs and libraries read-only, and the export, which is the working directory that was looked at.
 * The proxy passes directories to QEMU, and from one of these `..` leads up through the mounts it was opened in: here
 * there is nothing above the export but this.
 */
export const helperViewFunctions: ShellText = sh`# A root of its own with nothing of the host but programs, libraries and the directory that is shared
make_view() {
  step=view
  [ ! /proc/self/ns/mnt -ef /proc/1/ns/mnt ] || fail 'the mounts are those of the host itself'
  [ -d "$view" ] || mkdir -- "$view" || fail "cannot make $view"
  umask 022
  mount -t tmpfs -o mode=755,size=${viewSize},nosuid,nodev,noexec ${word(viewSource)} "$view" || fail "cannot mount $view"
  mkdir -p -- "$view/usr" "$view/etc" "$view/proc/sys/kernel" "$view/proc/sys/fs" "$view/host" "$view"${word(exportPlace)} || fail "cannot fill $view"
  bind=bind
  [ "$submounts" = no ] || bind=rbind
  mount --no-canonicalize -o "$bind" . "$view"${word(exportPlace)} || fail "cannot mount $source"
  set --
  {
    for path in ${words(shown)}; do
      [ -e "$path" ] || continue
      [ -d "$path" ] || : >"$view$path"
      printf '%s %s none ${word(readOnly)} 0 0\\n' "$path" "$view$path"
    done
    for path in ${words(programDirectories)}; do
      if [ -L "$path" ]; then set -- "$@" "$path"
      elif [ -d "$path" ]; then
        mkdir -- "$view$path"
        printf '%s %s none ${word(readOnly)} 0 0\\n' "$path" "$view$path"
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
      "$view"${word(exportPlace)} | "$view"${word(exportPlace)}/*)
        plain_text "$path"
        set -- "$@" "$plain"
        ;;
    esac
  done </proc/self/mountinfo
  for path do
    mount -o "remount,bind,$options" "$path" || fail "cannot close $path"
  done
}`;
