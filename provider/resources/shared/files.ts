import { lines, type ShellText, sh, word } from '../../model/shell.ts';

/**
 * Step text that brings a file to a content and mode, all of it or nothing; says `changed` only when it was not so. Content
 * is text without NUL bytes. A symbolic link in its place is replaced, never followed. A new file is written in its place, which
 * costs no process; when that is cut short, the next run sees another content and puts it right.
 */
export function putFile(path: string, content: string, mode: '0600' | '0644' | '0700' = '0600'): ShellText {
  const at = word(path);
  const fresh = word(`${path}.new`);
  const chmod = mode === '0600' ? sh`` : sh`\n  chmod ${word(mode)} ${fresh}`;
  return sh`content=${word(content)}
put() {
  printf '%s' "$content" >"$1" && return
  rm -f -- "$1"
  fail no-space ${word(`${path} could not be written: is the disk full?`)}
}
if [ ! -e ${at} ] && [ ! -L ${at} ]; then
  ${mode === '0644' ? sh`umask 022; put ${at}; umask 077` : sh`put ${at}`}${mode === '0700' ? sh`\n  chmod 0700 ${at}` : sh``}
  changed
elif [ ! -f ${at} ] || [ -L ${at} ] || [ "$(cat ${at}; echo .)" != "$content." ]${mode === '0700' ? sh` || [ ! -x ${at} ]` : sh``}; then
  put ${fresh}${chmod}
  mv -fT -- ${fresh} ${at} || { rm -f -- ${fresh}; fail file-in-the-way ${word(`${path} cannot be replaced`)}; }
  changed
fi`;
}

/** Step text that removes files that may be there; says `changed` when one was. */
export function removeFiles(paths: readonly string[]): ShellText {
  return lines(
    paths.map(
      (path) => sh`[ ! -e ${word(path)} ] && [ ! -L ${word(path)} ] || { rm -f -- ${word(path)}; changed; }`,
    ),
  );
}
