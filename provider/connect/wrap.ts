import { sh, UnquotableError, word, type ShellText } from '../model/shell.ts';

/** Linux takes no argument longer than 128 KiB (MAX_ARG_STRLEN); the login shell gets all of this as one. */
const maximumBytes = 128 * 1024 - 1;

/**
 * The command as it is sent: run by /bin/sh as root, whatever the login shell is. Before anything else it says on stderr,
 * on a line that starts with the call's own random marker, under which process id it runs. That line tells a command that
 * ran from one that sudo, a login shell or a forced command kept from running, and lets us end it. Without root it says
 * `MARKER 0` and runs nothing. It is one line, as csh wants it, and the command is parsed only after the announcement.
 */
export function wrapCommand(command: ShellText, marker: ShellText, sudo: boolean): ShellText {
  const announced = sh`[ -O /proc/1 ] || { echo ${marker} 0 >&2; exit 1; }; echo ${marker} $$ >&2; eval ${word(command.text)}`;
  const shell = sh`/bin/sh -c ${word(announced.text)}`;
  const wrapped = sudo ? sh`sudo -n -- ${shell}` : sh`exec ${shell}`;
  if (Buffer.byteLength(wrapped.text) > maximumBytes) {
    throw new UnquotableError(`a command of ${wrapped.text.length} characters has to go through stdin`);
  }
  return wrapped;
}

/** Ends the process group of a command that announced itself: asks, waits up to 2 s, then kills. */
export function endCommand(pid: number): ShellText {
  return sh`read -r stat </proc/${pid}/stat || exit 0
set -- \${stat##*) }
group=$3
[ "$group" -gt 1 ] || exit 1
kill -s TERM -- "-$group" || exit 0
turns=0
while [ "$turns" -lt 20 ] && kill -s 0 -- "-$group"; do
  sleep 0.1
  turns=$((turns + 1))
done
kill -s KILL -- "-$group" || exit 0`;
}
