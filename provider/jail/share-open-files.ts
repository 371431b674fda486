import type { IsolationExpectation } from './launch-plan.ts';
import { helperShares, type LaunchShare } from './launch-share.ts';
import { isLocalShare } from './local-shares.ts';
import type { GuestObservation, OpenFileObservation, ProcessObservation } from './observation.ts';
import { exportPlace } from './share-places.ts';

/** QEMU's sockets to one helper: virtiofsd has a second one for its own requests. */
const socketsOf = { proxy: 1, virtiofs: 2 } as const;

const isSocket = ({ type, target }: OpenFileObservation) =>
  type === 's' && /^socket:\[\d{1,20}\]$/.test(target);

/** What QEMU may hold of its guest's shares, in the words of a report. */
export function sharesText(shares: readonly LaunchShare[]): readonly string[] {
  const files = shares.filter(({ driver }) => driver.kind !== 'virtiofs').map(({ tag }) => tag);
  const sockets = socketCount(shares);
  return [
    ...(files.length > 0 ? [`files and directories of the shares ${files.sort().join(' ')}`] : []),
    ...(sockets > 0 ? [`at most ${sockets} sockets to the helpers of shares`] : []),
  ];
}

function socketCount(shares: readonly LaunchShare[]): number {
  return helperShares(shares).reduce((count, { driver }) => count + socketsOf[driver.kind], 0);
}

/**
 * Open files of QEMU's that are there because of its guest's shares. A proxy hands over descriptors, of directories too: what counts is
 * the mount that they were opened in, the kernel's word, which must be that of the helper's export; of a share that QEMU serves
 * itself it is the one in its own view. One that was opened or closed while it was looked at has shown nothing yet (`passing`).
 */
export function sharedFiles(
  process: ProcessObservation,
  observation: GuestObservation,
  expectation: IsolationExpectation,
) {
  const { shares, network } = expectation;
  const allowed = new Set<OpenFileObservation>();
  const wrong: string[] = [];
  const unknown: string[] = [];
  const passing: string[] = [];
  const found = { allowed, wrong, unknown, passing };
  const files = process.openFiles ?? [];
  if (process.role !== 'device-model' || shares.length === 0) return found;
  const sockets = network === 'user' ? [] : files.filter(isSocket);
  const most = socketCount(shares);
  if (sockets.length <= most) for (const file of sockets) allowed.add(file);
  else if (most > 0) wrong.push(`${process.role} holds ${sockets.length} sockets`);
  if (shares.every(({ driver }) => driver.kind === 'virtiofs')) return found;
  const mounts = exportMounts(observation, expectation);
  if (files.every((file) => mountIdsOf(file).length === 0)) {
    unknown.push(`mounts of the ${process.role}'s open files could not be read`);
  }
  for (const file of files) {
    const where = whereOpened(file, mounts);
    if (where === 'elsewhere' || (where === 'not known' && !isOpen(file))) continue;
    allowed.add(file);
    if (where === 'not known') passing.push(`files of the ${process.role} ${changed}`);
  }
  return found;
}

/** In the words of a report. */
export const changed = 'were opened or closed while it was looked at';

/** How often the mounts of open files are read: before their links, and after. */
const readings = 2;

export const mountIdsOf = ({ mountIds }: OpenFileObservation): readonly number[] => mountIds ?? [];

/**
 * Whether a file was opened in one of these mounts. Where the two readings differ, or one had nothing, the descriptor was another file's
 * meanwhile.
 */
export function whereOpened(
  file: OpenFileObservation,
  mounts: ReadonlySet<number>,
): 'there' | 'elsewhere' | 'not known' {
  const ids = mountIdsOf(file);
  const inside = ids.filter((id) => mounts.has(id)).length;
  if (inside > 0 && inside === ids.length) return 'there';
  return inside > 0 || ids.length < readings ? 'not known' : 'elsewhere';
}

const isOpen = ({ type }: OpenFileObservation) => type === 'f' || type === 'd';

/** Numbers of the mounts that a guest's files may be in, as QEMU comes by them. */
function exportMounts(observation: GuestObservation, expectation: IsolationExpectation): ReadonlySet<number> {
  const mounts = (observation.mounts ?? []).filter(({ mountPoint }) => isLocalShare(mountPoint, expectation));
  for (const { tag, driver } of helperShares(expectation.shares)) {
    const helper = driver.kind === 'proxy' ? observation.helpers.find((each) => each.tag === tag) : undefined;
    const parent = helper?.processes.find(({ role }) => role === 'namespace-parent');
    const seen = parent === undefined ? undefined : helper?.mounts.get(parent.pid);
    mounts.push(...(seen ?? []).filter(({ mountPoint }) => isExport(mountPoint)));
  }
  return new Set(mounts.map(({ id }) => id));
}

/** The export in a helper's view, or something mounted below it. */
export function isExport(mountPoint: string): boolean {
  return mountPoint === exportPlace || mountPoint.startsWith(`${exportPlace}/`);
}
