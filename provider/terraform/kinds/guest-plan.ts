import type { Toolstack } from '../../model/toolstack.ts';
import type { GuestDesired, GuestFile } from '../../resources/guest/desired.ts';
import { isObject, isUnknown, type ObjectValue, type TerraformValue, UNKNOWN } from '../../tfplugin/types.ts';
import { referenceTo } from '../../executor/local-files.ts';
import { intactOf } from '../integrity.ts';
import { isSame } from '../lifecycle/settle.ts';
import { guestParts } from './guest-schema.ts';

/**
 * A guest as planned: files by digest, running, intact.
 * @param toolstack that of its host; `undefined`: not known
 */
export function planGuest(
  planned: ObjectValue,
  prior: ObjectValue | null,
  desired: GuestDesired | undefined,
  shareDrivers: ObjectValue | null | undefined,
  toolstack?: Toolstack,
): ObjectValue {
  const { host, name } = planned;
  const whole = {
    ...planned,
    id: typeof host === 'string' && typeof name === 'string' ? `${host}/${name}` : UNKNOWN,
    kernel: planFile(
      planned['kernel'] ?? null,
      prior?.['kernel'] ?? null,
      desired && { file: desired.kernel },
    ),
    initrd: planFile(
      planned['initrd'] ?? null,
      prior?.['initrd'] ?? null,
      desired && { file: desired.initrd },
    ),
    state: 'running',
    share_drivers: shareDrivers === undefined ? driversAsKnown(planned, prior) : shareDrivers,
    integrity: intactOf(guestParts),
  };
  const generation = planGeneration(whole, prior);
  return { ...whole, ...(isUnknown(generation) ? plannedIds(prior, toolstack) : {}), generation };
}

/** Xen gives a new domid at each start, and the uid may follow it; a guest of QEMU's keeps what it leased. */
function plannedIds(prior: ObjectValue | null, toolstack: Toolstack | undefined): ObjectValue {
  return prior === null || toolstack === 'qemu' ? {} : { domid: UNKNOWN, uid: UNKNOWN };
}

/** Without the host: as they were known, while the shares are the same. */
function driversAsKnown(planned: ObjectValue, prior: ObjectValue | null): TerraformValue {
  const shares = (of: ObjectValue) => ({ shares: of['shares'] ?? null });
  const same = prior !== null && isSame(shares(planned), shares(prior));
  return same ? (prior['share_drivers'] ?? null) : UNKNOWN;
}

/** Any change moves the record on the host to its next generation. */
function planGeneration(planned: ObjectValue, prior: ObjectValue | null): TerraformValue {
  if (prior === null) return UNKNOWN;
  const before = prior['generation'] ?? null;
  return isSame({ ...planned, generation: before }, prior) ? before : UNKNOWN;
}

/**
 * Files compare by content. Where it is the same, what stood in the state before stays: another checkout's path, or an
 * import's `sha256:…`, is no change.
 */
function planFile(
  planned: TerraformValue,
  prior: TerraformValue,
  desired: { readonly file: GuestFile | undefined } | undefined,
): TerraformValue {
  if (!isObject(planned)) return planned;
  if (desired === undefined) {
    return typeof planned['host_file'] === 'string'
      ? { ...planned, sha256: null }
      : { ...planned, sha256: UNKNOWN };
  }
  const sha256 = desired.file?.kind === 'digest' ? desired.file.sha256 : null;
  if (isObject(prior) && sha256 !== null && prior['sha256'] === sha256) return prior;
  return { ...planned, sha256 };
}

/** A file as the host's record has it; the path is the one it was last known by here, if the content is the same. */
export function fileState(stored: GuestFile | undefined, prior: TerraformValue): TerraformValue {
  if (stored === undefined) return null;
  if (stored.kind === 'host') return { file: null, host_file: stored.path, sha256: null };
  if (isObject(prior) && prior['sha256'] === stored.sha256) return prior;
  return { file: referenceTo(stored.sha256), host_file: null, sha256: stored.sha256 };
}
