import type { LaunchPlan } from '../../jail/launch-plan.ts';
import { helperShares } from '../../jail/launch-share.ts';
import { guestPlaces } from '../../jail/places.ts';
import { shareUnitPrefix, unitPath } from '../../jail/share-places.ts';
import { type HostRoots, unitPlaces } from '../../model/paths.ts';
import { lines, sh, type ShellText, word, words } from '../../model/shell.ts';
import { sha256 } from '../../model/sha256.ts';
import { sharesScript } from '../../shares/script.ts';
import { shareUnits } from '../../shares/units.ts';
import { putFile } from '../shared/files.ts';

/** A file on the host that belongs to the shares of one guest. */
export interface ShareFile {
  readonly path: string;
  readonly content: string;
  readonly mode: '0644' | '0700';
  readonly sha256: string;
}

/** What the helpers of a guest's shares are started by; nothing where QEMU serves them itself. */
export function shareFiles(plan: LaunchPlan, roots: HostRoots): readonly ShareFile[] {
  const served = helperShares(plan.shares);
  if (served.length === 0) return [];
  const units = served.flatMap((share) =>
    shareUnits(plan.guest, share, plan.shares.indexOf(share), roots).map(
      ([unit, content]) => [unitPath(unit), content, '0644'] as const,
    ),
  );
  const script = [sharesScriptPath(plan.guest, roots), sharesScript(plan, roots), '0700'] as const;
  return [script, ...units]
    .map(([path, content, mode]) => ({ path, content, mode, sha256: sha256(content) }))
    .sort((one, other) => (one.path < other.path ? -1 : 1));
}

function sharesScriptPath(guest: string, roots: HostRoots): string {
  return `${guestPlaces(guest, roots).stateDirectory}/shares`;
}

/** One digest for all of them: written on the record, so that what an older version made is told from what was edited. */
export function shareFilesDigest(files: readonly Pick<ShareFile, 'path' | 'sha256'>[]): string | undefined {
  if (files.length === 0) return undefined;
  return sha256(files.map(({ path, sha256: sum }) => `${sum} ${path}\n`).join(''));
}

/** Brings the files to what they should be; whatever else bears the names of this guest's shares goes. */
export function installShareFiles(guest: string, files: readonly ShareFile[], roots: HostRoots): ShellText {
  const wanted = files.map(({ path }) => path);
  return lines([
    // each in a subshell's own words: they share names
    ...files.map(({ path, content, mode }) => putFile(path, content, mode)),
    sh`set -- ${words(wanted)}
kept=" $* "
for place in ${words(unitPlaces)}; do
  for file in "$place"/${word(shareUnitPrefix(guest))}*; do
    if [ -e "$file" ] || [ -L "$file" ]; then
      case $kept in *" $file "*) ;; *) rm -rf -- "$file"; changed ;; esac
    fi
  done
done
case $kept in *" "${word(sharesScriptPath(guest, roots))}" "*) ;; *) rm -f -- ${word(sharesScriptPath(guest, roots))} ;; esac`,
  ]);
}
