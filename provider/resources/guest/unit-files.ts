import { guestUnit, unitDirectory, unitPlaces } from '../../model/paths.ts';
import { type ShellText, sh, word, words } from '../../model/shell.ts';
import { putFile } from '../shared/files.ts';
import type { GuestDesired } from './desired.ts';
import type { Rendered } from './rendering.ts';

/** The link by which systemd starts the guest at boot. */
export function startsAtBoot(name: string): string {
  return `${unitDirectory}/multi-user.target.wants/${guestUnit(name)}`;
}

/** The unit's drop-in and its place among what starts at boot; what others put beside it goes. */
export function installUnit(desired: GuestDesired, rendered: Pick<Rendered, 'dropIn'>): ShellText {
  const unit = guestUnit(desired.name);
  const dropIns = `${unitDirectory}/${unit}.d`;
  const wants = `${unitDirectory}/multi-user.target.wants`;
  return sh`[ -d ${word(dropIns)} ] || mkdir -m 0755 ${word(dropIns)}
${putFile(`${dropIns}/10-stockade.conf`, rendered.dropIn, '0644')}
[ -d ${word(wants)} ] || mkdir -m 0755 ${word(wants)}
if [ ! -L ${word(`${wants}/${unit}`)} ]; then ln -s ../stockade-guest@.service ${word(`${wants}/${unit}`)}; changed; fi
${removeForeign(unit)}`;
}

/** Unit files and drop-ins for this guest alone that are not ours, found on the host: names over the wire decide nothing. */
function removeForeign(unit: string): ShellText {
  return sh`for place in ${words(unitPlaces)}; do
  for file in "$place"/${word(unit)} "$place"/${word(unit)}.d/*; do
    if [ -e "$file" ] || [ -L "$file" ]; then
      [ "$file" = ${word(`${unitDirectory}/${unit}.d/10-stockade.conf`)} ] || { rm -rf -- "$file"; changed; }
    fi
  done
done`;
}
