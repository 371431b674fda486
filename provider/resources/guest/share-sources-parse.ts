import {
  isLookedAt,
  lineage,
  type MountFacts,
  mountTableBytes,
  type PathPart,
  plainPath,
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
    mountsTag === 'mounts' && end === 'end' && table.length < mountTableBytes ? parseMounts(table) : [];
  const partsByPath = stats.whole ? parseParts(stats.tokens) : undefined;
  const resolvedByPath = parseEntered(entered.whole ? entered.tokens : []);
  return new Map(
    paths.filter(isLookedAt).map((path) => {
      const plain = plainPath(path);
      const resolved = resolvedByPath.get(toBytes(plain));
      const facts: ShareSourceFacts = {
        parts: partsByPath && partsOn(lineage(plain), partsByPath),
        resolved: resolved === undefined ? undefined : toText(resolved),
        mount: shownMount(mountOf(resolved ?? toBytes(plain), mounts)),
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

interface Mount extends MountFacts {
  readonly id: number;
  readonly parent: number;
}

/** The kernel's table of mounts (proc_pid_mountinfo(5)); lines that are not of its form are passed over. */
export function parseMounts(table: string): readonly Mount[] {
  return table.split('\n').flatMap((line) => {
    // blanks alone part the fields: bytes of UTF-8 names count as white space otherwise
    const match = /^(\d+) (\d+) \d+:\d+ [^ ]+ (\/[^ ]*) ([^ ]+) (?:[^ ]+ )*?- ([^ ]+) /.exec(line);
    if (match === null) return [];
    const [, id, parent, point = '', options = '', type = ''] = match;
    return [
      {
        ...{ id: Number(id), parent: Number(parent), point: unescaped(point), type: unescaped(type) },
        options: new Set(options.split(',')),
      },
    ];
  });
}

/** Blank, tab, line break, backslash and `#` are written as three octal digits. */
function unescaped(text: string): string {
  return text.replace(/\\([0-3][0-7]{2})/g, (_match, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}

/**
 * The mount that the path lies on, found as the kernel walks: from the root's, over whatever is mounted on that on the way. The
 * longest mount point alone would be wrong where something was mounted over a directory above it later.
 */
export function mountOf(path: string, mounts: readonly Mount[]): Mount | undefined {
  const onWay = mounts.filter(({ point }) => isBelow(path, point));
  const ids = new Set(onWay.map(({ id }) => id));
  let here = onWay.find(({ point, id, parent }) => point === '/' && (parent === id || !ids.has(parent)));
  for (let left = onWay.length; here !== undefined && left > 0; left--) {
    const { id } = here;
    const next = onWay
      .filter((mount) => mount.parent === id && mount.id !== id)
      // where two are on one place, the later one is in front
      .reduce<Mount | undefined>(
        (first, mount) => (first === undefined || mount.point.length <= first.point.length ? mount : first),
        undefined,
      );
    if (next === undefined) return here;
    here = next;
  }
  return here;
}

/** Whether the path is that directory or below it. */
export function isBelow(path: string, directory: string): boolean {
  return directory === '/' || path === directory || path.startsWith(`${directory}/`);
}

function shownMount(mount: Mount | undefined): MountFacts | undefined {
  if (mount === undefined) return undefined;
  return { point: toText(mount.point), type: toText(mount.type), options: mount.options };
}

const toBytes = (text: string) => Buffer.from(text, 'utf8').toString('latin1');
const toText = (bytes: string) => Buffer.from(bytes, 'latin1').toString('utf8');
