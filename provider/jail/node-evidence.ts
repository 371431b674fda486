import { baseDeviceNodes, type IsolationExpectation } from './launch-plan.ts';
import type { FileObservation, GuestObservation, NodeObservation } from './observation.ts';

/** Directories below every guest's /dev, each with the file system that is mounted there. */
export const ownDirectories: Readonly<Record<string, string>> = {
  pts: 'devpts',
  shm: 'tmpfs',
  mqueue: 'mqueue',
};

/**
 * Major and minor number by name (Linux, admin-guide/devices.txt). They count whatever the host has under that name: another
 * device would be what every guest gets.
 */
const numbers: Readonly<Record<string, readonly [number, number]>> = {
  null: [1, 3],
  zero: [1, 5],
  full: [1, 7],
  random: [1, 8],
  urandom: [1, 9],
  ptmx: [5, 2],
  kvm: [10, 232],
};

const fileType = 0o170000;
const directoryType = 0o040000;
const characterDevice = 0o020000;
const blockDevice = 0o060000;
const permissions = 0o7777;

/** The same device of the kernel's, by kind and number; what is no device is never the same. */
export function isSameDevice(one: FileObservation | undefined, other: FileObservation | undefined): boolean {
  if (one === undefined || other === undefined) return false;
  const kind = one.mode & fileType;
  return (
    (kind === characterDevice || kind === blockDevice) &&
    (other.mode & fileType) === kind &&
    one.deviceMajor === other.deviceMajor &&
    one.deviceMinor === other.deviceMinor
  );
}

/** The private /dev holds the host's nodes of the names asked for, the directories these lie in, and nothing else. */
export function nodeFaults(
  observation: GuestObservation,
  expectation: IsolationExpectation,
  wrong: string[],
  unknown: string[],
): void {
  const { deviceNodes: nodes, hostNodes } = observation;
  if (nodes === undefined) {
    unknown.push('nodes could not be read');
    return;
  }
  const expected = new Set(expectation.deviceNodes);
  const moved = expectation.hostDevMounts ? movedMounts(observation) : [];
  const directories = new Set([
    ...Object.keys(ownDirectories),
    ...moved,
    ...[...expected, ...moved].flatMap(above),
  ]);
  for (const [name, node] of nodes) {
    // where the host's terminals are moved in, ptmx may be a link to theirs
    const isLink = node.isLink && !(name === 'ptmx' && expectation.hostDevMounts);
    if (expected.has(name))
      oneNode(name, { ...node, isLink }, ownerOf(name, hostNodes, expectation), wrong, unknown);
    else if (directories.has(name)) {
      if (!isDirectory(node)) wrong.push(`/dev/${name} is no directory`);
    } else if (!moved.some((mount) => name.startsWith(`${mount}/`)))
      wrong.push(`unexpected ${JSON.stringify(`/dev/${name}`)}`);
  }
  for (const name of expected) {
    // a host may have no node of those that every guest gets: what is not there is no way out
    if (!nodes.has(name) && !(baseDeviceNodes as readonly string[]).includes(name))
      wrong.push(`/dev/${name} is missing`);
  }
}

/** Names below /dev of the mounts that are the host's. */
function movedMounts({ mounts }: GuestObservation): readonly string[] {
  return (mounts ?? []).flatMap(({ mountPoint }) =>
    mountPoint.startsWith('/dev/') ? [mountPoint.slice('/dev/'.length)] : [],
  );
}

/** The directories that a name lies in: `bus/usb/1` in `bus` and `bus/usb`. */
function above(name: string): readonly string[] {
  const parts = name.split('/');
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join('/'));
}

function isDirectory({ isLink, file }: NodeObservation): boolean {
  return !isLink && file !== undefined && (file.mode & fileType) === directoryType;
}

/** Whose mode and owner a node has: those of the host's own, but that of the guest's own terminals, which is made anew. */
function ownerOf(
  name: string,
  hostNodes: GuestObservation['hostNodes'],
  { hostDevMounts }: IsolationExpectation,
): FileObservation | undefined {
  const node = hostNodes.get(name);
  if (name !== 'ptmx' || hostDevMounts || node === undefined) return node;
  return { ...node, mode: characterDevice | 0o666, uid: 0, gid: 0 };
}

/**
 * Mode and owner are as they were when the node was copied. What the host has taken from its own since counts, what it has
 * added does not: that is no weakness of the guest's.
 */
function oneNode(
  name: string,
  { isLink, file }: NodeObservation,
  host: FileObservation | undefined,
  wrong: string[],
  unknown: string[],
): void {
  const known = numbers[name];
  if (isLink) wrong.push(`/dev/${name} is a symbolic link`);
  else if (file === undefined) unknown.push(`/dev/${name} could not be read`);
  else if (known === undefined && host === undefined) {
    unknown.push(`the host has no /dev/${name} any more to compare with`);
  } else if (known === undefined ? !isSameDevice(file, host) : !hasNumbers(file, known)) {
    wrong.push(`/dev/${name} is another device`);
  } else if (host !== undefined && (file.uid !== host.uid || file.gid !== host.gid)) {
    wrong.push(`/dev/${name} belongs to ${file.uid}:${file.gid}, the host's own to ${host.uid}:${host.gid}`);
  } else if (host !== undefined && (file.mode & permissions & ~host.mode) !== 0) {
    wrong.push(`/dev/${name} has mode ${octal(file)}, the host's own ${octal(host)}`);
  }
}

function hasNumbers(file: FileObservation, [major, minor]: readonly [number, number]): boolean {
  return (
    (file.mode & fileType) === characterDevice && file.deviceMajor === major && file.deviceMinor === minor
  );
}

function octal({ mode }: FileObservation): string {
  return (mode & permissions).toString(8).padStart(4, '0');
}
