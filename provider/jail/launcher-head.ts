import { lines, sh, type ShellText, word } from '../model/shell.ts';

export interface LauncherHead {
  /** What the script does. */
  readonly summary: ShellText;
  /** Its verbs, a line each. */
  readonly verbs: readonly ShellText[];
  /** Its variables beside `guest`; `run` and `launch_error` must be among them. */
  readonly variables: Readonly<Record<string, string>> & Readonly<Record<'run' | 'launch_error', string>>;
}

/** How every launcher begins: what it is, a known environment, its variables, and `fail`, which ends it in the name of the step that runs. */
export function launcherHead(guest: string, { summary, verbs, variables }: LauncherHead): ShellText {
  return sh`#!/bin/sh
# ${summary} Made by Stockade: edits show as drift and are undone.
${lines(verbs.map((verb) => sh`#   launch ${verb}`))}
set -eu
umask 077
PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
export PATH LC_ALL
cd /

guest=${word(guest)}
${lines(Object.entries(variables).map(([name, value]) => sh`${word(name)}=${word(value)}`))}

# fail TEXT: ends the launch, says at which step and why
fail() {
  printf 'stockade-launch: %s: %s\\n' "$step" "$1" >&2
  [ -d "$run" ] || mkdir -p -- "$run" || :
  printf '%s: %s\\n' "$step" "$1" >"$launch_error" || :
  exit "$code"
}`;
}
