import type { LayerEvidence } from '../model/evidence.ts';
import { joined, lines, sh, type ShellText, word, words } from '../model/shell.ts';
import { deviceModel, judge, namespaceParent } from './judge.ts';
import { baseDeviceNodes, deviceNodesOf, type IsolationExpectation, type LaunchPlan } from './launch-plan.ts';
import { nodeFaults, ownDirectories } from './node-evidence.ts';
import type { GuestObservation, MountObservation } from './observation.ts';
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

/**
 * Nodes are copied from the host's /dev with mode, owner and ACL; /dev/pts, /dev/shm and /dev/mqueue are new and empty. What was
 * asked for has to be there, also for a guest that sees the host's /dev. Its names stay in the file `devices` of the guest's run
 * directory, a line each, for the evidence.
 */
export function deviceNodesStep(plan: LaunchPlan): LauncherStep | undefined {
  const isPrivate = plan.requests['private-dev'] === 'on';
  if (!isPrivate && plan.devices.length === 0) return undefined;
  const wanted = deviceNodesOf(plan).filter((node) => !isBase(node));
  return {
    name: 'device-nodes',
    comment: sh`A /dev with nothing but what QEMU needs: the host's nodes by name, and its own terminals, shared memory and queues`,
    body: lines([
      record(plan.devices),
      ...(wanted.length === 0 ? [] : [checks(wanted)]),
      ...(isPrivate ? copies(wanted, plan.hostDevMounts) : []),
    ]),
  };
}

function isBase(node: string): boolean {
  return (baseDeviceNodes as readonly string[]).includes(node);
}

function record(devices: readonly string[]): ShellText {
  if (devices.length === 0) return sh`  [ ! -e "$run/devices" ] || : >"$run/devices"`;
  return sh`  printf '%s\\n' ${words(devices)} >"$run/devices" || fail "cannot write $run/devices"`;
}

/** A name that leads elsewhere could be made to lead anywhere between this check, the unit's device rule and the copy. */
function checks(nodes: readonly string[]): ShellText {
  return sh`  set -- ${words(nodes.map((node) => `/dev/${node}`))}
  for path do
    part=$path
    while [ "$part" != /dev ]; do
      [ ! -L "$part" ] || fail "$path leads over the symbolic link $part: give the device's own path"
      part=\${part%/*}
    done
    [ -c "$path" ] || [ -b "$path" ] || fail "$path is no device, or not there"
  done`;
}

/** Nodes right below /dev by one command, then those in directories. A mount of the host's that was moved in has its nodes already. */
function copies(nodes: readonly string[], hostDevMounts: boolean): readonly ShellText[] {
  const top = nodes.filter((node) => !node.includes('/')).map((node) => `/dev/${node}`);
  const below = nodes.filter((node) => node.includes('/')).map((node) => `/dev/${node}`);
  const directories = [...new Set(below.map((path) => path.slice(0, path.lastIndexOf('/'))))];
  const last = hostDevMounts ? sh`/dev/ptmx` : sh`"$view/dev/pts/ptmx"`;
  const base = baseDeviceNodes.filter((node) => node !== 'ptmx').map((node) => `/dev/${node}`);
  const flat = sh`  set -- ${words(top)}
  for path in ${words(base)}; do
    [ ! -e "$path" ] || set -- "$@" "$path"
  done
  cp -a -- "$@" ${last} "$view/dev/" || fail 'cannot copy device nodes'`;
  if (below.length === 0) return [flat];
  const made = joined(directories.map((path) => sh`"$view"${word(path)}`));
  return [
    flat,
    sh`  umask 022
  mkdir -p -- ${made} || fail 'cannot make directories for device nodes'
  umask 077
  for path in ${words(below)}; do
    [ "$path" -ef "$view$path" ] || cp -a -- "$path" "$view\${path%/*}/" || fail "cannot copy $path"
  done`,
  ];
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
  for (const [name, fileSystem] of Object.entries(ownDirectories)) {
    const last = mounted.filter((mount) => mount.mountPoint === `/dev/${name}`).at(-1);
    if (hostDevMounts) continue;
    if (last?.fileSystem !== fileSystem) wrong.push(`no ${fileSystem} is mounted on /dev/${name}`);
    else if (last.source !== `stockade-${name}`)
      wrong.push(`what is mounted on /dev/${name} is not the guest's own`);
  }
}

function raw(observation: GuestObservation): readonly string[] {
  const mounted = (observation.mounts ?? [])
    .filter((mount) => mount.mountPoint === '/dev' || mount.mountPoint.startsWith('/dev/'))
    .map((mount) => `${mount.mountPoint} ${mount.fileSystem} ${mount.superOptions}`);
  const nodes = [...(observation.deviceNodes ?? [])].map(([name, { file }]) =>
    file === undefined
      ? `/dev/${name} ?`
      : `/dev/${name} ${file.mode.toString(8)} ${file.uid}:${file.gid} ${file.deviceMajor}:${file.deviceMinor}`,
  );
  return [...mounted, ...nodes];
}
