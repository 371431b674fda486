import { readableMounts } from '../../jail/mountinfo.ts';
import type { MountObservation } from '../../jail/observation.ts';
import { isWithin, pathParts, plainPath } from '../../spec/plain-path.ts';
import {
  isLookedAt,
  lineage,
  mountTableBytes,
  type OtherPlace,
  type PathPart,
  type ShareSourceFacts,
} from './share-sources.ts';

/**
 * What `shareSourcesSection` printed of these paths, by path without empty and `.` parts. Cut or malformed output is nothing known:
 * who starts a helper looks again.
 */
export function parseShareSources(
  bytes: Uint8Array,
  paths: readonly string[],
): ReadonlyMap<string, ShareSourceFacts> {
  // by bytes, not by characters: file names are not always UTF-8, and two of them must not become one
  const tokens = Buffer.from(bytes).toString('latin1').split('\0');
  const stats = block(tokens, 'stats');
  const entered = block(stats.rest, 'entered');
  const [mountsTag, table = '', end] = entered.rest;
  const mounts =
    mountsTag === 'mounts' && end === 'end' && table.length < mountTableBytes ? readableMounts(table) : [];
  const partsByPath = stats.whole ? parseParts(stats.tokens) : undefined;
  const resolvedByPath = parseEntered(entered.whole ? entered.tokens : []);
  return new Map(
    paths.filter(isLookedAt).map((path) => {
      const plain = plainPath(path);
      const resolved = resolvedByPath.get(toBytes(plain));
      const facts: ShareSourceFacts = {
        parts: partsByPath && partsOn(lineage(plain), partsByPath),
        resolved: resolved === undefined ? undefined : toText(resolved),
        ...mountFacts(resolved ?? toBytes(plain), mounts),
      };
      return [plain, facts] as const;
    }),
  );
}

interface Block {
  readonly tokens: readonly string[];
  /** Its program came to its end; `stat` says 1 where something was missing. */
  readonly whole: boolean;
  readonly rest: readonly string[];
}

/** From its name to `ended STATUS`, which nothing in it can look like: records begin with hex digits, paths with a slash. */
function block(tokens: readonly string[], name: string): Block {
  const end = tokens.findIndex((token) => /^ended \d+$/.test(token));
  if (tokens[0] !== name || end < 0) return { tokens: [], whole: false, rest: [] };
  const status = tokens[end];
  return {
    tokens: tokens.slice(1, end),
    whole: status === 'ended 0' || status === 'ended 1',
    rest: tokens.slice(end + 1),
  };
}

function parseParts(tokens: readonly string[]): ReadonlyMap<string, PathPart> {
  const parts = new Map<string, PathPart>();
  for (const token of tokens) {
    const match = /^([0-9a-f]{1,8}) (\d{1,10}) (\/[^]*)$/.exec(token);
    if (match === null) continue;
    const [, raw = '', uid = '', path = ''] = match;
    const bits = Number.parseInt(raw, 16);
    parts.set(path, { path: toText(path), type: typeOf(bits), mode: bits & 0o7777, uid: Number(uid) });
  }
  return parts;
}

function typeOf(bits: number): PathPart['type'] {
  switch (bits & 0o170000) {
    case 0o040000:
      return 'directory';
    case 0o120000:
      return 'link';
    default:
      return 'other';
  }
}

/** As far as it goes without a gap. `undefined`: not even `/` was seen, so nothing was. */
function partsOn(
  way: readonly string[],
  known: ReadonlyMap<string, PathPart>,
): readonly PathPart[] | undefined {
  const parts: PathPart[] = [];
  for (const path of way) {
    const part = known.get(toBytes(path));
    if (part === undefined) break;
    parts.push(part);
  }
  return parts.length === 0 ? undefined : parts;
}

function parseEntered(tokens: readonly string[]): ReadonlyMap<string, string> {
  const entered = new Map<string, string>();
  for (let at = 0; at + 1 < tokens.length; at += 2) {
    const [from = '', to = ''] = tokens.slice(at, at + 2);
    if (from.startsWith('/') && to.startsWith('/')) entered.set(from, to);
  }
  return entered;
}

type Mount = Pick<MountObservation, 'id' | 'parent' | 'device' | 'root' | 'mountPoint'>;

/**
 * The mount that the path lies on, found as the kernel walks: from the root's, over whatever is mounted on that on the way. The
 * longest mount point alone would be wrong where something was mounted over a directory above it later.
 */
export function mountOf<M extends Mount>(path: string, mounts: readonly M[]): M | undefined {
  const onWay = mounts.filter(({ mountPoint }) => isWithin(path, mountPoint));
  const ids = new Set(onWay.map(({ id }) => id));
  let here = onWay.find(
    ({ mountPoint, id, parent }) => mountPoint === '/' && (parent === id || !ids.has(parent)),
  );
  for (let left = onWay.length; here !== undefined && left > 0; left--) {
    const { id } = here;
    const next = onWay
      .filter((mount) => mount.parent === id && mount.id !== id)
      // where two are on one place, the later one is in front
      .reduce<M | undefined>(
        (first, mount) =>
          first === undefined || mount.mountPoint.length <= first.mountPoint.length ? mount : first,
        undefined,
      );
    if (next === undefined) return here;
    here = next;
  }
  return here;
}

function mountFacts(
  path: string,
  mounts: readonly MountObservation[],
): Pick<ShareSourceFacts, 'mount' | 'elsewhere'> {
  const mount = mountOf(path, mounts);
  if (mount === undefined) return { mount: undefined, elsewhere: [] };
  return {
    mount: {
      ...{ point: toText(mount.mountPoint), type: toText(mount.fileSystem) },
      options: optionsOf(mount),
    },
    elsewhere: otherWays(path, mount, mounts).map((way) => ({ ...way, path: toText(way.path) })),
  };
}

/** Where else the directory is seen: other mounts of its file system with it inside, unless something is mounted over that. */
function otherWays(
  path: string,
  mount: MountObservation,
  mounts: readonly MountObservation[],
): readonly OtherPlace[] {
  const own = below(path, mount.mountPoint);
  const inside = joined(mount.root, own);
  return mounts.flatMap((other) => {
    if (other.id === mount.id || other.device !== mount.device || !isWithin(inside, other.root)) return [];
    const theirs = below(inside, other.root);
    const there = joined(other.mountPoint, theirs);
    if (mountOf(there, mounts)?.id !== other.id) return [];
    const common = Math.min(pathParts(own).length, pathParts(theirs).length);
    return [{ path: there, options: optionsOf(other), common }];
  });
}

const optionsOf = ({ options }: MountObservation): ReadonlySet<string> => new Set(options.split(','));

/** What is left of a path below a directory: `` or `/x/y`. */
function below(path: string, directory: string): string {
  return directory === '/' ? (path === '/' ? '' : path) : path.slice(directory.length);
}

function joined(directory: string, rest: string): string {
  return `${directory === '/' ? '' : directory}${rest}` || '/';
}

const toBytes = (text: string) => Buffer.from(text, 'utf8').toString('latin1');
const toText = (bytes: string) => Buffer.from(bytes, 'latin1').toString('utf8');
