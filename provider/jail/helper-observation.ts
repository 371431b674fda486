import { cgroupOf } from './evidence-cgroup.ts';
import { type Indexed, namespacesOf } from './evidence-index.ts';
import { nodesBelow } from './evidence-nodes.ts';
import { helperOwner, type NamespaceOwners, sharedNamespaces } from './evidence-owners.ts';
import { type Process, processOf } from './evidence-processes.ts';
import { digits, type RawHelper } from './evidence-stream.ts';
import type { IsolationExpectation } from './launch-plan.ts';
import { helperShares } from './launch-share.ts';
import type {
  DeviceTrials,
  HelperObservation,
  MountObservation,
  ProcessObservation,
  UnitObservation,
} from './observation.ts';
import { parseMountinfo } from './mountinfo.ts';
import { parseFile } from './proc-parse.ts';
import { shareUnitPrefix } from './share-places.ts';

/** Of each share with a helper, in their order, then of units that bear the name of another share of this guest. */
export function helpersOf(
  { guest, runDirectory, shares }: IsolationExpectation,
  units: ReadonlyMap<string, UnitObservation>,
  owners: NamespaceOwners,
  trials: DeviceTrials,
  raw: Indexed,
): readonly HelperObservation[] {
  const found = new Map<string, RawHelper[]>(helperShares(shares).map(({ tag }) => [tag, []]));
  for (const helper of raw.helpers) {
    const tag = tagOf(helper.id, guest);
    if (tag === undefined || helper.pids.length === 0) continue;
    found.set(tag, [...(found.get(tag) ?? []), helper]);
  }
  const hostTable = raw.lines.get('/proc/1/mountinfo');
  const hostMounts = hostTable === undefined ? undefined : parseMountinfo(hostTable);
  return [...found].map(([tag, helpers]) => {
    const [first] = helpers;
    const index = shares.findIndex((share) => share.tag === tag);
    const share = helperShares(shares).find((each) => each.tag === tag);
    const program = share?.driver.helper;
    const pids = helpers.flatMap((helper) => helper.pids);
    const group = first === undefined ? undefined : units.get(first.id)?.controlGroup;
    return {
      tag,
      units: helpers.map(({ id }) => id),
      controlGroup: group,
      processes: helpers.flatMap((helper) => processesOf(helper, raw)),
      cgroup: cgroupOf(group, raw, trials),
      hostNamespaces: namespacesOf(1, raw),
      sharedNamespaces: sharedNamespaces(pids, helperOwner(first?.id ?? ''), owners, raw),
      mounts: mountsOf(pids, raw),
      hostDevices: hostMounts && new Set(hostMounts.map(({ device }) => device)),
      hostMounts: new Set((hostMounts ?? []).map(({ id }) => id)),
      rootNames: namesIn(first?.mainPid, raw),
      deviceNodes: first === undefined ? undefined : nodesBelow(`/proc/${first.mainPid}/root/dev`, raw),
      source: sourceOf(raw.files.get(`${runDirectory}/share-${index}.source`)),
      program: program === undefined ? undefined : parseFile(raw.stats.get(program)),
    };
  });
}

/** `stockade-share-web1:data@0-126-0.service`, or without an instance. */
function tagOf(unit: string, guest: string): string | undefined {
  const prefix = shareUnitPrefix(guest);
  if (!unit.startsWith(prefix) || !unit.endsWith('.service')) return undefined;
  const [tag] = unit.slice(prefix.length, -'.service'.length).split('@');
  return tag;
}

/** The unit's main process is the parent of the namespaces, by its place alone; every other one is held to what a helper may be. */
function processesOf({ pids, mainPid }: RawHelper, raw: Indexed): readonly ProcessObservation[] {
  const processes = pids.flatMap((pid) => processOf(pid, raw) ?? []);
  // alone it serves by itself: there is nothing that it is the parent of
  const isParent = (process: Process) => process.pid === mainPid && processes.length > 1;
  return processes.map((process) => ({
    ...process,
    role: isParent(process) ? 'namespace-parent' : 'share-helper',
  }));
}

function mountsOf(pids: readonly number[], raw: Indexed): HelperObservation['mounts'] {
  const mounts = new Map<number, readonly MountObservation[]>();
  for (const pid of pids) {
    const seen = parseMountinfo(raw.lines.get(`/proc/${pid}/mountinfo`) ?? '');
    if (seen !== undefined && seen.length > 0) mounts.set(pid, seen);
  }
  return mounts;
}

function namesIn(mainPid: number | undefined, raw: Indexed): readonly string[] | undefined {
  const directory = `/proc/${mainPid}/root/.`;
  if (!raw.complete || !raw.links.has(directory)) return undefined;
  return (raw.linksIn.get(directory) ?? []).map(([name]) => name);
}

/** `DEVICE INODE`, decimal. */
function sourceOf(text: string | undefined): HelperObservation['source'] {
  const [, device, inode] = /^(\d{1,15}) (\d{1,15})\n?$/.exec(text ?? '') ?? [];
  return device === undefined || inode === undefined
    ? undefined
    : { device: digits(device) ?? -1, inode: digits(inode) ?? -1 };
}
