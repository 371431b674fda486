import { z } from 'zod';
import { failure, problem, type Result, success } from '../../model/diagnostic.ts';
import { type LayerName, layerNames } from '../../model/evidence.ts';
import { namePattern } from '../../model/names.ts';
import type { HostRoots } from '../../model/paths.ts';
import { defaultRoots, unitDirectory } from '../../model/paths.ts';
import { diskSchema, isolationFields, limitsSchema, machineTypes } from '../../spec/guest.ts';
import { shareSchema } from '../../spec/share.ts';
import { userSchemes } from '../../spec/qemu-users.ts';
import { type StoredGuest, uploadedDigests } from './desired.ts';
import type { GuestLease } from '../../jail/launch-plan.ts';
import type { ChrootFacts, GuestFacts, GuestsFacts } from './facts.ts';

const sha256Pattern = /^[0-9a-f]{64}$/;
const storedFile = z.union([
  z.strictObject({
    kind: z.literal('digest'),
    sha256: z.string().regex(sha256Pattern),
    bytes: z.int().min(0),
  }),
  z.strictObject({ kind: z.literal('host'), path: z.string() }),
]);
const storedSchema = z.strictObject({
  scheme: z.enum(userSchemes),
  memoryMib: z.int(),
  vcpus: z.int(),
  machine: z.enum(machineTypes),
  accelerator: z.enum(['kvm', 'tcg']),
  kernel: storedFile,
  initrd: storedFile.optional(),
  commandLine: z.string(),
  disks: z.array(diskSchema.required({ readonly: true, backing: true })),
  sharedMemory: z.boolean(),
  // records of guests without shares do not name them
  shares: z.array(shareSchema).default([]),
  network: z.enum(['none', 'user']),
  devices: z.array(z.string()),
  limits: limitsSchema,
  isolation: isolationFields.required(),
  serialLogMaxKib: z.int(),
  restartPolicy: z.enum(['never', 'on_crash']),
  shutdownTimeoutSeconds: z.int(),
});

/** Reads what `guestsSection` printed. Names that are not ours are passed over; anything malformed is an error. */
export function parseGuests(bytes: Uint8Array, roots: HostRoots = defaultRoots): Result<GuestsFacts> {
  const tokens = Buffer.from(bytes).toString('utf8').split('\0');
  const [recordsTag, records, digestsTag, digests, chrootsTag, chroots, ...rest] = tokens;
  if (recordsTag !== 'records' || digestsTag !== 'digests' || chrootsTag !== 'chroots' || rest.pop() !== '') {
    return failure(
      problem('observation-malformed', 'the observation of the guests is cut or malformed', {
        hint: 'Run again. If it stays, look at the host: something other than Stockade answers there.',
      }),
    );
  }
  const files = fileLines(records ?? '', `${roots.state}/guests/`);
  const hashes = hashLines(digests ?? '');
  const roomOf = chrootLines(chroots ?? '', `${roots.run}/root/`);
  const extra = extraTokens(rest);
  const guests = new Map<string, GuestFacts>();
  for (const [name, lines] of files) {
    const record = lines.get('record');
    if (record === undefined || !namePattern.test(name)) continue;
    const stored = storedOf(record.get('definition'));
    guests.set(name, {
      name,
      owner: record.get('owner') ?? '',
      generation: integer(record.get('generation')) ?? 0,
      digest: record.get('digest') ?? '',
      stored,
      lease: leaseOf(lines.get('lease')),
      ...(record.get('toolstack') === 'xl' ? { toolstack: 'xl' as const } : {}),
      missing: layersOf(record.get('missing')),
      launcherSha256: hashes.get(`${roots.state}/guests/${name}/launch`),
      dropInSha256: hashes.get(`${unitDirectory}/stockade-guest@${name}.service.d/10-stockade.conf`),
      written: {
        launcherSha256: sha256Of(record.get('launcher')),
        dropInSha256: sha256Of(record.get('dropin')),
        shareFilesSha256: sha256Of(record.get('shares')),
      },
      shareFiles: new Map((extra.shares.get(name) ?? []).map((path) => [path, hashes.get(path)])),
      enabled: extra.enabled.has(name),
      foreignUnitFiles: extra.foreign.get(name) ?? [],
      launchError: extra.ended.get(name),
      chroot: chrootOf(roomOf.get(name), extra.entries.get(name)),
      changedFiles:
        stored === undefined ? [] : uploadedDigests(stored).filter((digest) => !extra.files.has(digest)),
    });
  }
  return success({ guests, files: extra.files });
}

type KeyValues = Map<string, string>;

/** `grep -s ''` over several files: `PATH:key value`, grouped by guest and file. */
function fileLines(text: string, prefix: string): Map<string, Map<string, KeyValues>> {
  const byGuest = new Map<string, Map<string, KeyValues>>();
  for (const line of text.split('\n')) {
    const match = /^([a-z0-9-]+)\/(record|lease):([a-z0-9_-]+) (.*)$/.exec(
      line.startsWith(prefix) ? line.slice(prefix.length) : '',
    );
    if (match === null) continue;
    const [, guest = '', file = '', key = '', value = ''] = match;
    const ofGuest = byGuest.get(guest) ?? new Map<string, KeyValues>();
    const ofFile = ofGuest.get(file) ?? new Map<string, string>();
    ofFile.set(key, value);
    ofGuest.set(file, ofFile);
    byGuest.set(guest, ofGuest);
  }
  return byGuest;
}

function hashLines(text: string): Map<string, string> {
  const hashes = new Map<string, string>();
  for (const line of text.split('\n')) {
    const match = /^([0-9a-f]{64}) [ *](.+)$/.exec(line);
    if (match?.[1] !== undefined && match[2] !== undefined) hashes.set(match[2], match[1]);
  }
  return hashes;
}

function chrootLines(text: string, prefix: string): Map<string, Omit<ChrootFacts, 'entries'>> {
  const rooms = new Map<string, Omit<ChrootFacts, 'entries'>>();
  for (const line of text.split('\n')) {
    const match = /^([0-7]{1,4}) (\d+) (\d+) (.+)$/.exec(line);
    if (match === null) continue;
    const [, mode = '', uid = '', gid = '', path = ''] = match;
    if (path.startsWith(prefix))
      rooms.set(path.slice(prefix.length), { mode, uid: Number(uid), gid: Number(gid) });
  }
  return rooms;
}

interface ExtraFacts {
  readonly enabled: Set<string>;
  readonly foreign: Map<string, string[]>;
  readonly entries: Map<string, string[]>;
  readonly shares: Map<string, string[]>;
  readonly files: Set<string>;
  readonly ended: Map<string, string>;
}

function extraTokens(tokens: readonly string[]): ExtraFacts {
  const extra: ExtraFacts = {
    enabled: new Set(),
    foreign: new Map(),
    entries: new Map(),
    shares: new Map(),
    files: new Set(),
    ended: new Map(),
  };
  const list = (of: Map<string, string[]>, name: string, value: string) =>
    of.set(name, [...(of.get(name) ?? []), value]);
  for (let at = 0; at < tokens.length; ) {
    const [tag, first = '', second = ''] = tokens.slice(at, at + 3);
    switch (tag) {
      case 'enabled':
        extra.enabled.add(first);
        at += 2;
        break;
      case 'file':
        if (sha256Pattern.test(first)) extra.files.add(first);
        at += 2;
        break;
      case 'ended':
        extra.ended.set(first, second);
        at += 3;
        break;
      case 'foreign':
        list(extra.foreign, first, second);
        at += 3;
        break;
      case 'share':
        list(extra.shares, first, second);
        at += 3;
        break;
      case 'entry':
        list(extra.entries, first, second);
        at += 3;
        break;
      default:
        at += 1;
    }
  }
  return extra;
}

function integer(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

function sha256Of(text: string | undefined): string | undefined {
  return text !== undefined && sha256Pattern.test(text) ? text : undefined;
}

function layersOf(text: string | undefined): readonly LayerName[] {
  const names = text?.split(':') ?? [];
  return layerNames.filter((layer) => names.includes(layer));
}

function leaseOf(lines: KeyValues | undefined): GuestLease | undefined {
  const [domid, uid, gid] = ['domid', 'uid', 'gid'].map((key) => integer(lines?.get(key)));
  if (domid === undefined || uid === undefined || gid === undefined) return undefined;
  return { domid, uid, gid, shared: lines?.get('shared') === 'yes' };
}

function chrootOf(
  room: Omit<ChrootFacts, 'entries'> | undefined,
  entries: string[] | undefined,
): ChrootFacts | undefined {
  return room === undefined ? undefined : { ...room, entries: entries ?? [] };
}

function storedOf(text: string | undefined): StoredGuest | undefined {
  if (text === undefined || !/^[A-Za-z0-9+/=]+$/.test(text)) return undefined;
  try {
    const parsed = storedSchema.safeParse(JSON.parse(Buffer.from(text, 'base64').toString('utf8')));
    return parsed.success ? { ...parsed.data, initrd: parsed.data.initrd } : undefined;
  } catch {
    return undefined;
  }
}
