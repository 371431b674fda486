import type { ReadSection } from '../../model/operation.ts';
import { sh } from '../../model/shell.ts';
import { pathParts } from '../../spec/plain-path.ts';

/** What can be known of a directory before a guest shares it. */
export interface ShareSourceFacts {
  /**
   * Every directory on the way and itself, from `/` down, as far as they are there; the last is the path itself, if that exists.
   * `undefined`: could not be read.
   */
  readonly parts: readonly PathPart[] | undefined;
  /** Where one is who enters it; `undefined`: nobody can, or it could not be tried. */
  readonly resolved: string | undefined;
  /** That on which it lies, or would; `undefined`: not known. */
  readonly mount: MountFacts | undefined;
  /** Other places where the same directory is seen, by mounts of the same file system. */
  readonly elsewhere: readonly OtherPlace[];
}

/** Another path to the same directory. */
export interface OtherPlace {
  readonly path: string;
  /** Of the mount there. */
  readonly options: ReadonlySet<string>;
  /** How many directories right above it are the same by both paths. */
  readonly common: number;
}

/** A name on the way, as it is itself: a link is not followed. */
export interface PathPart {
  readonly path: string;
  readonly type: 'directory' | 'link' | 'other';
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
}

export interface MountFacts {
  readonly point: string;
  /** As the kernel calls it: `ext4`, `fuse.sshfs`. */
  readonly type: string;
  /** Of this mount alone, not of the file system: `nosuid`, `nodev`, … */
  readonly options: ReadonlySet<string>;
}

export const shareSourcesSectionName = 'share-sources';

/** More mounts than fit in are no observation of them. */
export const mountTableBytes = 4 * 1024 * 1024;

/** A path of more parts is not looked at: what is asked would grow with the square of them. */
const mostParts = 64;

/** `/`, and every directory down to the path itself. */
export function lineage(path: string): readonly string[] {
  const parts = pathParts(path);
  return ['/', ...parts.map((_part, index) => `/${parts.slice(0, index + 1).join('/')}`)];
}

/** Whether looking at it is of use: an absolute path, of not too many parts. */
export function isLookedAt(path: string): boolean {
  const parts = pathParts(path);
  return path.startsWith('/') && !parts.includes('..') && parts.length <= mostParts;
}

/**
 * Looks at directories that guests are to share: five processes, however many. A network file system whose server is gone would
 * hold up whoever touches it, so that is given up after ten seconds; the table of mounts is read in any case, and after that
 * (entering a directory may mount it). So many paths that no program takes them as arguments are not looked at either.
 */
export function shareSourcesSection(paths: readonly string[]): ReadSection {
  return {
    name: shareSourcesSectionName,
    arguments: [...new Set(paths.filter(isLookedAt).flatMap(lineage))],
    body: sh`printf 'stats\\0'
timeout -s KILL 10 stat --printf='%f %u %n\\0' -- "$@" 2>/dev/null
printf '\\0ended %s\\0entered\\0' "$?"
timeout -s KILL 10 sh -c 'for source do
  cd -P -- "$source" && printf "%s\\0%s\\0" "$source" "$PWD"
done
:' sh "$@" 2>/dev/null
printf '\\0ended %s\\0mounts\\0' "$?"
head -c ${mountTableBytes} /proc/self/mountinfo 2>/dev/null
printf '\\0end\\0'`,
  };
}
