import { exportPlace } from '../jail/share-places.ts';
import { sh, type ShellText, word } from '../model/shell.ts';

/**
 * virtfs-proxy-helper on the connection that systemd has accepted (`-f 0`), in the foreground (`-n`). It enters the export and
 * drops what it does not need by itself, and says nothing of it where it could not: only evidence tells.
 */
export function proxyCommand(helper: string): ShellText {
  return sh`${word(helper)} -n -f 0 -p ${word(exportPlace)}`;
}
