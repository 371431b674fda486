import type { FieldReason } from '../../model/change.ts';
import type { GuestDisk, GuestShare, StoredGuest } from './desired.ts';

type Difference = Omit<FieldReason, 'disruption'>;
type Value = StoredGuest[keyof StoredGuest];

/** Where two values of one field differ, as deep down as a reader wants to know: `limits.tasks`, `disks.data`. */
export function fieldDifferences(
  field: keyof StoredGuest,
  before: Value,
  after: Value,
): readonly Difference[] {
  const [was, will] = [partsOf(before), partsOf(after)];
  const keys = [...new Set([...was.keys(), ...will.keys()])];
  const found = keys.flatMap((key) => {
    const [one, other] = [was.get(key) ?? none, will.get(key) ?? none];
    return one === other ? [] : [{ path: key === '' ? [field] : [field, key], before: one, after: other }];
  });
  const [once, now] = [was, will].map((parts) => [...parts.keys()].join(', '));
  const moved = found.length === 0 && (field === 'disks' || field === 'shares') && once !== now;
  return moved ? [{ path: [field, 'order'], before: once ?? none, after: now ?? none }] : found;
}

const none = '(none)';

/** A field's parts as shown, by name; a field of one part has it under an empty name. */
function partsOf(value: Value): ReadonlyMap<string, string> {
  if (value === undefined) return new Map();
  if (typeof value !== 'object') return new Map([['', String(value)]]);
  if (isFile(value)) return new Map([['', value.kind === 'digest' ? `sha256:${value.sha256}` : value.path]]);
  if (isTexts(value)) return new Map([['', shown(value)]]);
  if (isShares(value)) return new Map(value.map((share) => [share.tag, shareText(share)]));
  if (isDisks(value)) return new Map(value.map((disk) => [disk.name, diskText(disk)]));
  return new Map(Object.entries(value).map(([key, part]) => [key, shown(part)]));
}

function shown(value: unknown): string {
  if (value === undefined) return none;
  if (!Array.isArray(value)) return typeof value === 'string' ? value : JSON.stringify(value);
  return value.length === 0 ? none : value.join(', ');
}

function diskText({ path, format, readonly, backing, sizeMib }: GuestDisk): string {
  const chain = [{ path, format }, ...backing].map((image) => `${image.path} (${image.format})`).join(' on ');
  const size = sizeMib === undefined ? [] : [`up to ${sizeMib} MiB`];
  return [chain, readonly ? 'read-only' : 'writable', ...size].join(', ');
}

/** What was not set is not shown. */
function shareText(share: GuestShare): string {
  const { source, readonly, driver, writers, maxFileMib, securityModel, cache, announceSubmounts } = share;
  const map = (kind: string, ranges: GuestShare['uidMap']) =>
    (ranges ?? []).map(({ guest, host, count }) => `${count} ${kind} from ${guest} are ${host}`);
  return [
    source,
    readonly ? 'read-only' : 'writable',
    ...(writers === 'one' ? [] : ['by many']),
    driver,
    `files up to ${maxFileMib} MiB`,
    ...(securityModel === undefined ? [] : [`security model ${securityModel}`]),
    ...(cache === undefined ? [] : [`cache ${cache}`]),
    ...(announceSubmounts === undefined ? [] : [announceSubmounts ? 'submounts' : 'no submounts']),
    ...map('users', share.uidMap),
    ...map('groups', share.gidMap),
  ].join(', ');
}

function isFile(value: object): value is NonNullable<StoredGuest['initrd']> {
  return 'kind' in value;
}

function isDisks(value: object): value is StoredGuest['disks'] {
  return Array.isArray(value) && value.some((one) => typeof one === 'object');
}

function isShares(value: object): value is StoredGuest['shares'] {
  return Array.isArray(value) && value.some((one) => typeof one === 'object' && one !== null && 'tag' in one);
}

function isTexts(value: object): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string');
}
