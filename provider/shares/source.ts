import { takeLock, lockFunctions } from '../jail/share-lock.ts';
import { enterSource, refuseExposed } from '../jail/share-source.ts';
import { sh, type ShellText } from '../model/shell.ts';

/** What a helper's start looks at before it makes the jail. */
export const sourceFunctions: ShellText = sh`# The directory that is shared, entered; nobody else may make files of root's there for the host's users to find
look_at_source() {
  step=source
  enter_source
  untrusted=$(stockade_untrusted "$helper")
  [ -z "$untrusted" ] || fail "$untrusted: root runs it, so it and all directories above it must be root's alone"
  [ "$readonly" = no ] || return 0
  refuse_exposed
  take_lock
}
${enterSource}
# The lock of who writes to the directory: a sole writer's alone. In a file, since QEMU could hold one on the directory itself
take_lock() {
  how=-s
  [ "$only_writer" = no ] || how=-x
  lock_of "$record" || fail "cannot read $record"
${takeLock(4)}
}
${lockFunctions}
${refuseExposed}`;
