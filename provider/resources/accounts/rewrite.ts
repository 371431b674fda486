import { lines, type ShellText, sh, word } from '../../model/shell.ts';
import { rewriteProgram } from './rewrite-program.ts';

/** The comment field of every user we make: what has it is ours to put right and to take away. */
export const ourMark = 'Stockade';
export const noHome = '/nonexistent';

/**
 * Runs as the "editor" of vipw, which holds the password lock (lckpwdf, and shadow's passwd.lock) meanwhile and leaves no
 * trace when its own copy was not edited. docs/design/0010-accounts.md says why it is vipw.
 * Temporary files take owner, mode and label of the file they replace; all are on the disk before the first rename. Groups go
 * first, passwd last: whoever is seen in passwd is complete.
 */
const editor = `set -u
umask 077
cd /etc || exit 1
w=.stockade-accounts
files=
for f in group gshadow shadow passwd; do
  if [ -L "$f" ]; then echo "stockade broken /etc/$f is a symbolic link"; exit 0; fi
  if [ -f "$f" ]; then files="$files $f"; fi
done
case $files in *group*passwd) ;; *) echo 'stockade broken /etc/passwd or /etc/group is missing'; exit 0 ;; esac
trap 'rm -rf -- "/etc/$w"' EXIT
rm -rf -- "$w" && mkdir -m 0700 "$w" && cp --attributes-only --preserve=all -- $files "$w/" || {
  echo 'stockade broken /etc could not be written'; exit 0
}
export STOCKADE_ACCOUNTS_FILES="$files"
answer=$(awk "$STOCKADE_ACCOUNTS_PROGRAM" "out=$w" phase=1 $files phase=2 $files) || {
  echo 'stockade broken the new files could not be written; is the disk full?'; exit 0
}
case $answer in
  '') echo 'stockade same'; exit 0 ;;
  clash*) echo "stockade $answer"; exit 0 ;;
esac
cd "$w" || exit 1
set --
while read -r word file count; do
  [ "$word" = change ] || { echo "stockade broken $word"; exit 0; }
  # a short file would lock everybody out: its length is counted again from the disk
  [ "$(wc -l <"$file")" -eq "$count" ] || { echo "stockade broken $file has not $count lines; is the disk full?"; exit 0; }
  set -- "$@" "$file"
done <<END
$answer
END
sync -- "$@" && mv -f -- "$@" /etc/ && sync /etc || { echo 'stockade broken /etc could not be written'; exit 0; }
echo 'stockade changed'`;

/**
 * Defines `accounts_rewrite REQUEST`: brings users and groups to what REQUEST says (see rewrite-program.ts), in one rewrite
 * under the password lock, and calls `changed` where that altered something. It waits up to a minute for the lock.
 * Fails with `user-clash`, `passwd-locked` or `passwd-broken`; then no file was touched.
 */
export const accountsFunctions: ShellText = lines([
  sh`accounts_program=${word(rewriteProgram)}`,
  sh`accounts_editor=${word(editor)}`,
  sh`accounts_rewrite() {
  accounts_shell=/usr/sbin/nologin
  [ -x "$accounts_shell" ] || accounts_shell=/sbin/nologin
  [ -x "$accounts_shell" ] || accounts_shell=/bin/false
  for accounts_try in 1 2 3 4; do
    accounts_answer=$(
      export STOCKADE_ACCOUNTS_REQUEST="$1" STOCKADE_ACCOUNTS_SHELL="$accounts_shell"
      export STOCKADE_ACCOUNTS_PROGRAM="$accounts_program" STOCKADE_ACCOUNTS_EDITOR="$accounts_editor"
      STOCKADE_ACCOUNTS_DAY=$(($(date +%s) / 86400))
      export STOCKADE_ACCOUNTS_DAY
      VISUAL='sh -c "$STOCKADE_ACCOUNTS_EDITOR" accounts' vipw
    ) || :
    case $accounts_answer in *stockade*) break ;; esac
  done
  accounts_told=\${accounts_answer#*stockade }
  case $accounts_told in
    same*) ;;
    changed*) changed ;;
    clash*) fail user-clash "$(printf '%s\n' "$accounts_answer" | sed -n 's/^\\(stockade \\)\\{0,1\\}clash //p')" ;;
    broken*) fail passwd-broken "$(printf '%s\n' "$accounts_answer" | sed -n 's/^stockade broken //p')" ;;
    *) fail passwd-locked 'the password files stayed locked for a minute' ;;
  esac
}`,
]);
