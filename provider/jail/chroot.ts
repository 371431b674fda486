import type { LayerEvidence } from '../model/evidence.ts';
import { sh, type ShellText, word } from '../model/shell.ts';
import { deviceModel, judge } from './judge.ts';
import type { IsolationExpectation, LaunchPlan } from './launch-plan.ts';
import type { FileObservation, GuestObservation } from './observation.ts';
import { qemuOptionValue } from './qemu-option.ts';
import type { LauncherStep } from './step.ts';

/**
 * As Xen's libxl does it: `rmdir`, then `mkdir` with mode 0000, again where a signal came in between (EINTR). Nothing is ever emptied by force: a directory with something
 * in it is a sign of tampering, and an error.
 */
export function chrootStep(): LauncherStep {
  return {
    name: 'chroot',
    comment: sh`An empty directory of root's that nobody can write to; one with something in it is a sign of tampering, never emptied`,
    body: sh`  [ -d "\${chroot%/*}" ] && [ -d "$run" ] || mkdir -p -m 0700 -- "\${run%/*/*}" "\${chroot%/*}" "\${run%/*}" "$run" ||
    fail "cannot make $run"
  [ ! -L "$chroot" ] || fail "$chroot is a symbolic link"
  tries=0
  while [ -e "$chroot" ] && ! said=$(rmdir -- "$chroot" 2>&1); do
    tries=$((tries + 1))
    case $said in *'Interrupted system call'*) [ "$tries" -ge 100 ] || continue ;; esac
    found=''
    for entry in "$chroot"/* "$chroot"/.[!.]* "$chroot"/..?*; do
      if [ -e "$entry" ] || [ -L "$entry" ]; then found="$found '\${entry##*/}'"; fi
    done
    fail "$(printf '%.600s' "$chroot is not an empty directory; in it:\${found:- nothing} ($said)")"
  done
  until said=$(mkdir -m 0000 -- "$chroot" 2>&1); do
    tries=$((tries + 1))
    case $said in *'Interrupted system call'*) [ "$tries" -ge 100 ] || continue ;; esac
    fail "cannot make $chroot: $said"
  done`,
  };
}

export function chrootArguments(plan: LaunchPlan, chroot: string): ShellText {
  return plan.confinement.chroot === 'run-with'
    ? sh`-run-with ${word(`chroot=${qemuOptionValue(chroot)}`)}`
    : sh`-chroot ${word(chroot)}`;
}

export function proveChroot(observation: GuestObservation, expectation: IsolationExpectation): LayerEvidence {
  const wrong: string[] = [];
  const unknown: string[] = [];
  const { chroot, chrootEntries } = observation;
  const root = deviceModel(observation)?.root;
  const directory = deviceModel(observation)?.directory;
  if (root === undefined) unknown.push('the root of the device model could not be read');
  if (chroot === undefined) unknown.push('the directory could not be read');
  if (chrootEntries === undefined) unknown.push('what lies in the directory could not be read');
  if (root !== undefined && chroot !== undefined && !sameFile(root, chroot)) {
    wrong.push('the root of the device model is another directory');
  }
  if (directory === undefined) unknown.push('the working directory of the device model could not be read');
  else if (root !== undefined && !sameFile(root, directory)) {
    wrong.push('the working directory of the device model is another one');
  }
  if (root !== undefined) wrong.push(...directoryFaults(root));
  if (chrootEntries !== undefined && chrootEntries.length > 0) {
    wrong.push(
      `the directory is not empty: ${chrootEntries
        .slice(0, 3)
        .map((name) => JSON.stringify(name))
        .join(', ')}`,
    );
  }
  const raw = [
    `/proc/PID/root ${describe(root)}`,
    `/proc/PID/cwd ${describe(directory)}`,
    `${expectation.chroot} ${describe(chroot)}`,
  ];
  return judge('chroot', `${expectation.chroot}, empty, root's, 0000`, observation, { wrong, unknown }, raw);
}

function directoryFaults(root: FileObservation): readonly string[] {
  const faults: string[] = [];
  if ((root.mode & 0o170000) !== 0o040000) faults.push('the root is no directory');
  if ((root.mode & 0o7777) !== 0) faults.push(`mode ${(root.mode & 0o7777).toString(8).padStart(4, '0')}`);
  if (root.uid !== 0 || root.gid !== 0) faults.push(`owned by ${root.uid}:${root.gid}`);
  return faults;
}

function sameFile(one: FileObservation, other: FileObservation): boolean {
  return one.device === other.device && one.inode === other.inode;
}

function describe(file: FileObservation | undefined): string {
  if (file === undefined) return 'not read';
  return `${file.device}:${file.inode} mode ${file.mode.toString(8)} owner ${file.uid}:${file.gid}`;
}
