import type { HostRoots } from '../../model/paths.ts';
import { type ShellText, sh, word } from '../../model/shell.ts';

/**
 * A chroot that was filled is a sign of tampering: it is moved aside as it is, never emptied, and the next start makes a new
 * one. Where the guest goes on running, only owner and mode are put right.
 */
export function healChroot(name: string, stopped: boolean, roots: HostRoots): ShellText {
  const room = word(`${roots.run}/root/${name}`);
  const aside = word(`${roots.run}/tampered`);
  const whenEmpty = stopped
    ? sh`rmdir ${room}; changed`
    : sh`if [ "$(stat -c '%a %u %g' ${room})" != '0 0 0' ]; then chown 0:0 ${room}; chmod 0000 ${room}; changed; fi`;
  return sh`[ -d ${room} ] || exit 0
full=
for entry in ${room}/* ${room}/.[!.]* ${room}/..?*; do
  if [ -e "$entry" ] || [ -L "$entry" ]; then full=1; break; fi
done
if [ -n "$full" ]; then
  mkdir -p ${aside}
  read -r up _ </proc/uptime
  mv -T -- ${room} ${aside}/${word(name)}-"$up"
  give tampered ${aside}/${word(name)}-"$up"
  changed
else
  ${whenEmpty}
fi`;
}
