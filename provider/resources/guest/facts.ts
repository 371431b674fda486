import type { GuestLease } from '../../jail/launch-plan.ts';
import type { LayerName } from '../../model/evidence.ts';
import type { ReadSection } from '../../model/operation.ts';
import { defaultRoots, type HostRoots, unitDirectory, unitPlaces } from '../../model/paths.ts';
import { type ShellText, sh, word, words } from '../../model/shell.ts';
import type { Toolstack } from '../../model/toolstack.ts';
import type { StoredGuest } from './desired.ts';

/** What a host keeps of one guest, without its processes (those are in the evidence). */
export interface GuestFacts {
  readonly name: string;
  readonly owner: string;
  /** Moves with every write of the record; an operation planned for another generation is refused. */
  readonly generation: number;
  /** What was asked for, by `guestDigest`. */
  readonly digest: string;
  /** `undefined` where the stored definition cannot be read: the record was damaged. */
  readonly stored: StoredGuest | undefined;
  readonly lease: GuestLease | undefined;
  /** What it was made with, by the record. @default 'qemu' */
  readonly toolstack?: Toolstack;
  /** Layers that it was written without, because the host could not give them. */
  readonly missing: readonly LayerName[];
  /** SHA-256 of the launcher as it is on disk; `undefined` without one. */
  readonly launcherSha256: string | undefined;
  readonly dropInSha256: string | undefined;
  /** SHA-256 of both as they were when they were last written, by the record; `undefined` where it does not say. */
  readonly written: {
    readonly launcherSha256: string | undefined;
    readonly dropInSha256: string | undefined;
    /** Of all share files together (`shareFilesDigest`). */
    readonly shareFilesSha256: string | undefined;
  };
  /** Script and unit files of its shares, and whatever else bears their names, by path; a digest of files alone. */
  readonly shareFiles: ReadonlyMap<string, string | undefined>;
  readonly enabled: boolean;
  /** Unit files and drop-ins for this guest's unit that we did not write. */
  readonly foreignUnitFiles: readonly string[];
  readonly chroot: ChrootFacts | undefined;
  /** Why its launch failed, or ended it; hostile until shown. @default it says nothing */
  readonly launchError?: string | undefined;
  /** Digests of the uploaded files it starts that are gone, or no longer what they were uploaded as. */
  readonly changedFiles: readonly string[];
}

export interface ChrootFacts {
  /** Octal, as `stat` prints it: `0` for 0000. */
  readonly mode: string;
  readonly uid: number;
  readonly gid: number;
  /** The first few names in it. */
  readonly entries: readonly string[];
}

export interface GuestsFacts {
  readonly guests: ReadonlyMap<string, GuestFacts>;
  /** Digests of the uploaded files that are on the host, their content as uploaded. */
  readonly files: ReadonlySet<string>;
}

export const guestsSectionName = 'guests';

/** Reads all guests' records in a handful of forks, whatever their number. Blocks end with NUL. */
export function guestsSection(roots: HostRoots = defaultRoots): ReadSection {
  const state = word(roots.state);
  const run = word(roots.run);
  return {
    name: guestsSectionName,
    arguments: [],
    body: sh`set --
for g in ${state}/guests/*/record; do
  [ -f "$g" ] || continue
  g=\${g%/record}; g=\${g##*/}
  case $g in *[!a-z0-9-]*|-*) continue ;; esac
  set -- "$@" "$g"
done
records= ; digests= ; chroots=
printf 'records\\0'
for g do records="$records ${state}/guests/$g/record ${state}/guests/$g/lease"; done
[ $# -eq 0 ] || grep -s '' /dev/null $records || :
printf '\\0digests\\0'
for g do
  for f in ${state}/guests/$g/launch ${state}/guests/$g/shares ${word(unitDirectory)}/stockade-guest@$g.service.d/10-stockade.conf; do
    [ ! -f "$f" ] || digests="$digests $f"
  done
done
for f in ${word(unitDirectory)}/stockade-share-*:*; do
  [ $# -eq 0 ] || [ ! -f "$f" ] || digests="$digests $f"
done
[ -z "$digests" ] || sha256sum -- $digests || :
printf '\\0chroots\\0'
for g do [ ! -d ${run}/root/$g ] || chroots="$chroots ${run}/root/$g"; done
[ -z "$chroots" ] || stat -c '%a %u %g %n' -- $chroots || :
printf '\\0'
for g do
  [ ! -L ${word(unitDirectory)}/multi-user.target.wants/stockade-guest@$g.service ] || printf 'enabled\\0%s\\0' "$g"
  for d in ${words(unitPlaces)}; do
    { [ ! -e "$d/stockade-guest@$g.service" ] && [ ! -L "$d/stockade-guest@$g.service" ]; } || printf 'foreign\\0%s\\0%s\\0' "$g" "$d/stockade-guest@$g.service"
    for f in "$d/stockade-guest@$g.service.d"/*; do
      [ -e "$f" ] || [ -L "$f" ] || continue
      [ "$f" = ${word(unitDirectory)}/stockade-guest@$g.service.d/10-stockade.conf ] ||
        printf 'foreign\\0%s\\0%s\\0' "$g" "$f"
    done
  done
  if [ -s ${run}/guests/$g/launch-error ] && IFS= read -r f <${run}/guests/$g/launch-error; then printf 'ended\\0%s\\0%.600s\\0' "$g" "$f"; fi
  [ ! -e ${state}/guests/$g/shares ] || printf 'share\\0%s\\0%s\\0' "$g" ${state}/guests/$g/shares
  n=0
  for f in ${run}/root/$g/* ${run}/root/$g/.[!.]* ${run}/root/$g/..?*; do
    [ -e "$f" ] || [ -L "$f" ] || continue
    n=$((n + 1)); [ $n -le 5 ] || break
    printf 'entry\\0%s\\0%s\\0' "$g" "\${f##*/}"
  done
done
# once for all guests: these directories hold all units of the host
for d in ${words(unitPlaces)}; do
  for f in "$d"/stockade-share-*:* "$d"/stockade-share-*:*.d/*; do
    if [ -e "$f" ] || [ -L "$f" ]; then
      g=\${f#"$d/stockade-share-"}
      printf 'share\\0%s\\0%s\\0' "\${g%%:*}" "$f"
    fi
  done
done
${verifiedFiles(roots)}`,
  };
}

export function verifiedFilesPath(roots: HostRoots = defaultRoots): string {
  return `${roots.state}/verified-files`;
}

/**
 * Prints the uploaded files that are what their names say. Each is hashed once, and again when its inode, size or time of
 * change differ: those that were found right are kept in a file.
 */
function verifiedFiles(roots: HostRoots): ShellText {
  const files = word(`${roots.state}/files`);
  const cache = word(verifiedFilesPath(roots));
  return sh`set --
for f in ${files}/*; do
  case \${f##*/} in *[!0-9a-f]*) continue ;; esac
  if [ -f "$f" ] && [ ! -L "$f" ]; then set -- "$@" "$f"; fi
done
seen=
[ $# -eq 0 ] || seen=$(stat -c '%i %s %.9Z %n' -- "$@")
known='
'
[ ! -f ${cache} ] || while IFS= read -r line; do known="$known$line
"; done <${cache}
set --
while IFS= read -r line; do
  [ -n "$line" ] || continue
  case $known in *"
$line
"*) ;; *) set -- "$@" "\${line#* * * }" ;; esac
done <<END
$seen
END
sums= right=
[ $# -eq 0 ] || sums=$(sha256sum -- "$@" 2>/dev/null)
while IFS= read -r line; do
  [ -n "$line" ] || continue
  f=\${line#* * * }
  case $known$sums in *"
$line
"* | *"\${f##*/}  $f"*)
    right="$right$line
"
    printf 'file\\0%s\\0' "\${f##*/}"
    ;;
  esac
done <<END
$seen
END
[ $# -eq 0 ] || printf '%s' "$right" >${cache}`;
}
