import { sh, word, type ShellText } from '../model/shell.ts';

/** The script's last line. A script that does not end with it is not run. */
export const endMarker = sh`# stockade: end of script`;

/** Exit code of the bootstrap when it did not get the whole script; nothing was run. */
export const incompleteScriptExit = 97;

/**
 * One line without newlines, single quotes or exclamation marks, so that it passes unharmed through any login shell, csh
 * and fish among them. GNU head reads no byte past the count it is given, so what follows on stdin is left for the script.
 */
const bootstrap = [
  'LC_ALL=C',
  'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  'export LC_ALL PATH',
  'unset IFS',
  'umask 077',
  'stockade_script=$(head -c "$1" && printf .)',
  'stockade_script=${stockade_script%.}',
  `[ "\${#stockade_script}" = "$1" ] || exit ${incompleteScriptExit}`,
  `case $stockade_script in *"${endMarker.text}"?) ;; *) exit ${incompleteScriptExit} ;; esac`,
  'eval "$stockade_script"',
].join('; ');

/** The command that reads a script of so many bytes from stdin and runs it once it is there as a whole. */
export function bootstrapCommand(scriptBytes: number, shell = '/bin/sh'): ShellText {
  return sh`exec ${word(shell)} -c ${word(bootstrap)} stockade ${scriptBytes}`;
}
