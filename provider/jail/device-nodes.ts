import type { LayerEvidence } from '../model/evidence.ts';
import { sh, type ShellText, words } from '../model/shell.ts';
import { deviceModel, judge, namespaceParent } from './judge.ts';
import { baseDeviceNodes, deviceNodesOf, type IsolationExpectation, type LaunchPlan } from './launch-plan.ts';
import type { FileObservation, GuestObservation, MountObservation } from './observation.ts';
import type { LauncherStep } from './step.ts';

/** libvirt's size and mode of a guest's /dev. Unit: bytes. */
const devSize = 65536;

/**
 * Lines of fstab(5): what is mounted on /dev and below it in the view at `root`, in order. The source names are ours so that no
 * mount of the host is taken for one. A guest without a /dev of its own sees the host's.
 */
export function devMounts(
  plan: Pick<LaunchPlan, 'requests' | 'hostDevMounts'>,
  root: string,
): readonly string[] {
  if (plan.requests['private-dev'] !== 'on') return [`/dev ${root}/dev none rbind 0 0`];
  const dev = `stockade-dev ${root}/dev tmpfs mode=755,size=${devSize},nosuid,noexec 0 0`;
  if (plan.hostDevMounts) return [dev];
  return [
    dev,
    `stockade-pts ${root}/dev/pts devpts newinstance,mode=600,ptmxmode=666,nosuid,noexec,X-mount.mkdir 0 0`,
    `stockade-shm ${root}/dev/shm tmpfs mode=1777,size=${devSize},nosuid,nodev,noexec,X-mount.mkdir 0 0`,
    `stockade-mqueue ${root}/dev/mqueue mqueue nosuid,nodev,noexec,X-mount.mkdir 0 0`,
  ];
}

/** Major and minor number by name (Linux, admin-guide/devices.txt). */
const numbers: Readonly<Record<string, readonly [number, number]>> = {
  null: [1, 3],
  zero: [1, 5],
  full: [1, 7],
  random: [1, 8],
  urandom: [1, 9],
  ptmx: [5, 2],
  kvm: [10, 232],
};

/**
 * Prints lines of fstab(5) for all that the host has mounted on directories below /dev, as libvirt takes it over: those on
 * top, with what is below each. Names in /proc/self/mounts are written as fstab wants them.
 */
export function showHostDevMounts(plan: Pick<LaunchPlan, 'requests' | 'hostDevMounts'>): ShellText {
  if (!plan.hostDevMounts || plan.requests['private-dev'] !== 'on') return sh``;
  return sh`
    taken=' '
    while read -r _ path _; do
      case $path in /dev/?*) ;; *) continue ;; esac
      above=$path
      while [ "$above" != /dev ] && case $taken in *" $above "*) false ;; esac; do above=\${above%/*}; done
      [ "$above" = /dev ] && [ -d "$path" ] || continue
      taken="$taken$path "
      printf '%s %s%s none rbind,X-mount.mkdir 0 0\\n' "$path" "$view" "$path"
    done </proc/self/mounts`;
}

/** Directories below /dev, each with the file system that is mounted there. */
const subdirectories: Readonly<Record<string, string>> = { pts: 'devpts', shm: 'tmpfs', mqueue: 'mqueue' };

function isBase(node: string): boolean {
  return (baseDeviceNodes as readonly string[]).includes(node);
}

/** Nodes are copied from the host's /dev with mode, owner and ACL; /dev/pts, /dev/shm and /dev/mqueue are new and empty. */
export function deviceNodesStep(plan: LaunchPlan): LauncherStep {
  const asked = deviceNodesOf(plan).filter((node) => !isBase(node));
  const last = plan.hostDevMounts ? sh`/dev/ptmx` : sh`"$view/dev/pts/ptmx"`;
  return {
    name: 'device-nodes',
    comment: sh`A /dev with nothing but what QEMU needs: the host's nodes by name, and its own terminals, shared memory and queues`,
    body: sh`  set -- ${words(asked.map((node) => `/dev/${node}`))}
  for path do
    [ -c "$path" ] || [ -b "$path" ] || fail "$path is no device, or not there"
  done
  for path in ${words(baseDeviceNodes.filter((node) => node !== 'ptmx').map((node) => `/dev/${node}`))}; do
    [ ! -e "$path" ] || set -- "$@" "$path"
  done
  cp -a -- "$@" ${last} "$view/dev/" || fail 'cannot copy device nodes'`,
  };
}

export function provePrivateDev(
  observation: GuestObservation,
  expectation: IsolationExpectation,
): LayerEvidence {
  const wrong: string[] = [];
  const unknown: string[] = [];
  const parent = namespaceParent(observation);
  const own = deviceModel(observation)?.namespaces.mnt;
  if (own !== undefined && own === observation.hostNamespaces.mnt) wrong.push("it is the host's");
  else if (parent === undefined || own === undefined || parent.namespaces.mnt !== own) {
    unknown.push('no process beside the device model is in its mount namespace');
  } else {
    mountFaults(observation.mounts, expectation, wrong, unknown);
    nodeFaults(observation, expectation, wrong, unknown);
  }
  const more = expectation.hostDevMounts ? ", and the host's mounts below its /dev" : '';
  const requested = `tmpfs of 64 KiB, 0755, with ${[...expectation.deviceNodes].sort().join(' ')}${more}`;
  return judge('private-dev', requested, observation, { wrong, unknown }, raw(observation));
}

function mountFaults(
  mounted: readonly MountObservation[] | undefined,
  { hostDevMounts }: IsolationExpectation,
  wrong: string[],
  unknown: string[],
): void {
  if (mounted === undefined) {
    unknown.push('mounts could not be read');
    return;
  }
  // The last one mounted on a place is the one that is seen.
  const dev = mounted.filter((mount) => mount.mountPoint === '/dev').at(-1);
  if (dev === undefined || dev.fileSystem !== 'tmpfs') wrong.push('no tmpfs is mounted on /dev');
  else {
    const options = dev.superOptions.split(',');
    if (!options.includes(`size=${devSize / 1024}k`)) wrong.push('the tmpfs on /dev has another size');
    if (!options.includes('mode=755')) wrong.push('the tmpfs on /dev has another mode');
  }
  for (const [name, fileSystem] of Object.entries(subdirectories)) {
    const last = mounted.filter((mount) => mount.mountPoint === `/dev/${name}`).at(-1);
    if (hostDevMounts) continue;
    if (last?.fileSystem !== fileSystem) wrong.push(`no ${fileSystem} is mounted on /dev/${name}`);
    else if (last.source !== `stockade-${name}`)
      wrong.push(`what is mounted on /dev/${name} is not the guest's own`);
  }
}

function nodeFaults(
  { deviceNodes: nodes, mounts }: GuestObservation,
  { deviceNodes: expected, hostDevMounts }: IsolationExpectation,
  wrong: string[],
  unknown: string[],
): void {
  if (nodes === undefined) {
    unknown.push('nodes could not be read');
    return;
  }
  for (const [name, node] of Object.entries(nodes)) {
    const moved = hostDevMounts && mounts?.some(({ mountPoint }) => mountPoint === `/dev/${name}`);
    if (moved === true || Object.hasOwn(subdirectories, name)) {
      if ((node.mode & 0o170000) !== 0o040000) wrong.push(`/dev/${name} is no directory`);
    } else if (!expected.includes(name)) wrong.push(`unexpected ${JSON.stringify(`/dev/${name}`)}`);
    else if (!isNode(name, node)) wrong.push(`/dev/${name} is another device`);
  }
  for (const name of expected) {
    // a host may have no node of those that every guest gets: what is not there is no way out
    if (nodes[name] === undefined && !isBase(name)) wrong.push(`/dev/${name} is missing`);
  }
}

function isNode(name: string, node: FileObservation): boolean {
  const [major, minor] = numbers[name] ?? [];
  return (node.mode & 0o170000) === 0o020000 && node.deviceMajor === major && node.deviceMinor === minor;
}

function raw(observation: GuestObservation): readonly string[] {
  const mounted = (observation.mounts ?? [])
    .filter((mount) => mount.mountPoint === '/dev' || mount.mountPoint.startsWith('/dev/'))
    .map((mount) => `${mount.mountPoint} ${mount.fileSystem} ${mount.superOptions}`);
  const nodes = Object.entries(observation.deviceNodes ?? {}).map(
    ([name, node]) => `/dev/${name} ${node.mode.toString(8)} ${node.deviceMajor}:${node.deviceMinor}`,
  );
  return [...mounted, ...nodes];
}
