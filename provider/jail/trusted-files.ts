import { joined, lines, sh, type ShellText, word, words } from '../model/shell.ts';
import type { LaunchPlan } from './launch-plan.ts';
import type { LauncherStep } from './step.ts';

/**
 * A function for what root runs, or opens for a guest: whoever else may write to such a file, or to a directory above it, is
 * root too.
 *   stockade_untrusted PATH...   PATHs without symbolic links in them. Prints why one is not root's alone; nothing where all are
 */
export const trustFunction: ShellText = sh`stockade_untrusted() {
  untrusted_left=$#
  while [ "$untrusted_left" -gt 0 ]; do
    untrusted=$1 untrusted_left=$((untrusted_left - 1))
    shift
    [ -f "$untrusted" ] || { printf '%s is no regular file' "$untrusted"; return 0; }
    while [ -n "$untrusted" ]; do
      set -- "$@" "$untrusted"
      untrusted=\${untrusted%/*}
    done
  done
  find "$@" / -maxdepth 0 '(' ! -uid 0 -o -perm /022 ')' -printf '%p belongs to uid %U with mode %m' -quit ||
    printf 'find has failed'
}`;

/** What to do about it. */
export const trustRemedy: ShellText = sh`root must own it and all directories above it (chown root), and nobody else may write there (chmod go-w)`;

/** Options of QEMU with the file that it opens while it is still root, and the launcher's name for that. */
const fileOptions: Readonly<Record<string, ShellText>> = {
  '-kernel': sh`guest_kernel`,
  '-initrd': sh`guest_initrd`,
};

interface HostFile {
  readonly variable: ShellText;
  readonly path: string;
}

function isFileOption(argument: string | undefined): argument is string {
  return argument !== undefined && Object.hasOwn(fileOptions, argument);
}

function hostFiles({ qemuBinary, qemuArguments }: LaunchPlan): readonly HostFile[] {
  const opened = qemuArguments.flatMap((path, index) => {
    const option = qemuArguments[index - 1];
    // What a kernel is told may be anything, even the name of an option.
    if (!isFileOption(option) || qemuArguments[index - 2] === '-append') return [];
    return [{ variable: fileOptions[option] ?? sh``, path }];
  });
  return [{ variable: sh`qemu_binary`, path: qemuBinary }, ...opened];
}

/** Sets a variable for each file that is used as root, all symbolic links resolved: what was looked at is what is used. */
export function trustedFilesStep(plan: LaunchPlan): LauncherStep {
  const files = hostFiles(plan);
  const resolved = files.map(({ variable }) => sh`"$${variable}"`);
  return {
    name: 'trusted-files',
    comment: sh`What runs or is opened as root is root's alone, all the way up; used by the names that were looked at`,
    body: sh`  set -- ${words(files.map(({ path }) => path))}
  for path do [ -f "$path" ] || fail "$path is no regular file, or not there"; done
  found=$(readlink -e -- "$@") || fail "cannot resolve $*"
  {
${lines(files.map(({ variable }) => sh`    IFS= read -r ${variable}`))}
  } <<END
$found
END
  refused=$(stockade_untrusted ${joined(resolved)})
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
