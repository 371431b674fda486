import { joined, lines, sh, type ShellText, word, words } from '../model/shell.ts';
import type { LaunchPlan } from './launch-plan.ts';
import type { LauncherStep } from './step.ts';

/**
 * A function for what root runs, or opens for a guest: whoever else may write to such a file, or to a directory on the way to it, is
 * root too. So is who made the symbolic links on that way: the owner of one may lead it to a file of root's that no guest is to read.
 *   stockade_untrusted PATH...   absolute PATHs. Prints why one is not root's alone; nothing where all are
 */
export const trustFunction: ShellText = sh`stockade_untrusted() {
  untrusted_left=$#
  while [ "$untrusted_left" -gt 0 ]; do
    way=$1 at='' links=0 untrusted_left=$((untrusted_left - 1))
    shift
    [ -f "$way" ] || { printf '%s is no regular file' "$way"; return 0; }
    while [ -n "$way" ]; do
      name=\${way%%/*}
      case $way in */*) way=\${way#*/} ;; *) way='' ;; esac
      case $name in '' | .) continue ;; ..) at=\${at%/*}; continue ;; esac
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
}`;

/** What to do about it. */
export const trustRemedy: ShellText = sh`root must own it and all directories above it (chown root), and nobody else may write there (chmod go-w)`;

/** Options of QEMU with the file that it opens while it is still root, and the launcher's name for that. */
const fileOptions: Readonly<Record<string, ShellText>> = {
  '-kernel': sh`guest_kernel`,
  '-initrd': sh`guest_initrd`,
};

/** A file of the host's, and the launcher's variable for what its path leads to. */
export interface HostFile {
  readonly variable: ShellText;
  readonly path: string;
}

function isFileOption(argument: string | undefined): argument is string {
  return argument !== undefined && Object.hasOwn(fileOptions, argument);
}

/** What QEMU is, and opens while it is still root. */
export function qemuFiles({ qemuBinary, qemuArguments }: LaunchPlan): readonly HostFile[] {
  const opened = qemuArguments.flatMap((path, index) => {
    const option = qemuArguments[index - 1];
    // What a kernel is told may be anything, even the name of an option.
    if (!isFileOption(option) || qemuArguments[index - 2] === '-append') return [];
    return [{ variable: fileOptions[option] ?? sh``, path }];
  });
  return [{ variable: sh`qemu_binary`, path: qemuBinary }, ...opened];
}

/** Sets a variable for each file that is used as root, all symbolic links resolved: what was looked at is what is used. */
export function trustedFilesStep(files: readonly HostFile[]): LauncherStep {
  return {
    name: 'trusted-files',
    comment: sh`What runs or is opened as root is root's alone, and so is the way there; used by the names that were looked at`,
    body: sh`  set -- ${words(files.map(({ path }) => path))}
  for path do [ -f "$path" ] || fail "$path is no regular file, or not there"; done
  found=$(readlink -e -- "$@") || fail "cannot resolve $*"
  {
${lines(files.map(({ variable }) => sh`    IFS= read -r ${variable}`))}
  } <<END
$found
END
  refused=$(stockade_untrusted "$@")
  [ -z "$refused" ] || fail "$refused: ${trustRemedy}"`,
  };
}

/** QEMU and its arguments by the step's variables; the rest quoted. */
export function qemuCommand(plan: LaunchPlan): ShellText {
  const rest = plan.qemuArguments.map((argument, index) => {
    const option = plan.qemuArguments[index - 1];
    if (!isFileOption(option) || plan.qemuArguments[index - 2] === '-append') return word(argument);
    return sh`"$${fileOptions[option] ?? sh``}"`;
  });
  return joined([sh`"$qemu_binary"`, ...rest]);
}
