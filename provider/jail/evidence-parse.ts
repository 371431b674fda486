import { failure, problem, type Result, success } from '../model/diagnostic.ts';
import { guestUnit } from '../model/paths.ts';
import { parseTrials } from './device-rule.ts';
import { parseImages } from './disks.ts';
import { bootIdOf, type Indexed, indexed, namespacesOf } from './evidence-index.ts';
import { hostNodesOf, nodesBelow } from './evidence-nodes.ts';
import { helperWentAway, processesOf, strangersOf } from './evidence-processes.ts';
import { parseProfiles } from './lsm.ts';
import { loadedProfilesPath } from './lsm-profile.ts';
import { type RawEvidence, type RawGuest, readEvidenceStream } from './evidence-stream.ts';
import type { IsolationExpectation } from './launch-plan.ts';
import {
  type CgroupFile,
  cgroupFiles,
  type CgroupObservation,
  type DeviceTrials,
  type GuestObservation,
  namespaceKinds,
} from './observation.ts';
import { parseFile, parseMountinfo, parseUnits } from './proc-parse.ts';

/**
 * What the evidence section showed, one observation per expectation, in their order. A guest without processes is one that
 * does not run; what could not be read is `undefined` in the observation and `unproven` later. Fails only where the section
 * itself is not one.
 */
export function parseEvidence(
  bytes: Uint8Array,
  expectations: readonly IsolationExpectation[],
  host: string,
): Result<readonly GuestObservation[]> {
  const read = readEvidenceStream(bytes);
  if (!read.ok) return { ok: false, diagnostics: read.diagnostics.map((each) => ({ ...each, host })) };
  const raw = indexed(read.value);
  if (raw.complete && bootIdOf(raw) === '') {
    return failure(problem('evidence-unreadable', 'The evidence section could not read /proc.', { host }));
  }
  const owners = namespaceOwners(raw);
  const units = parseUnits(raw.units);
  const trials = parseTrials(raw.devices);
  return success(
    expectations.map((expectation) => {
      const guest = raw.guests.get(expectation.guest);
      const unit = units.get(guestUnit(expectation.guest));
      const processes = guest === undefined ? [] : processesOf(guest, raw, expectation, unit?.controlGroup);
      return {
        host,
        guest: expectation.guest,
        takenAt: /^[0-9T:Z-]{20}$/.test(raw.time) ? raw.time : '',
        unit,
        running: processes.some((process) => process.role === 'device-model'),
        processes,
        helperWentAway: helperWentAway(guest, raw),
        strangers: strangersOf(guest, raw, expectation),
        cgroup: cgroupOf(unit?.controlGroup, raw, trials),
        hostNamespaces: namespacesOf(1, raw),
        sharedNamespaces: sharedNamespaces(guest, owners, raw),
        profiles: parseProfiles(raw.files.get(loadedProfilesPath)),
        mounts: mountsOf(guest, raw),
        deviceNodes: guest === undefined ? undefined : nodesBelow(`/proc/${guest.mainPid}/root/dev`, raw),
        hostNodes: hostNodesOf(expectation.deviceNodes, raw),
        images: parseImages(raw.files.get(`${expectation.runDirectory}/disks`)),
        chroot: parseFile(raw.stats.get(expectation.chroot)),
        chrootEntries: entriesOf(expectation.chroot, raw),
      };
    }),
  );
}

/** Guests by namespace, without the host's own. */
function namespaceOwners(raw: Indexed): ReadonlyMap<string, ReadonlySet<string>> {
  const hosts = new Set(Object.values(namespacesOf(1, raw)));
  const owners = new Map<string, Set<string>>();
  for (const guest of raw.guests.values()) {
    for (const own of guest.pids.flatMap((pid) => Object.values(namespacesOf(pid, raw)))) {
      if (!hosts.has(own)) owners.set(own, (owners.get(own) ?? new Set()).add(guest.name));
    }
  }
  return owners;
}

function sharedNamespaces(
  guest: RawGuest | undefined,
  owners: ReadonlyMap<string, ReadonlySet<string>>,
  raw: Indexed,
): GuestObservation['sharedNamespaces'] {
  const shared: Partial<Record<(typeof namespaceKinds)[number], string>> = {};
  for (const pid of guest?.pids ?? []) {
    const namespaces = namespacesOf(pid, raw);
    for (const kind of namespaceKinds) {
      const other = [...(owners.get(namespaces[kind] ?? '') ?? [])].find((name) => name !== guest?.name);
      if (other !== undefined) shared[kind] = other;
    }
  }
  return shared;
}

function mountsOf(guest: RawGuest | undefined, raw: Pick<RawEvidence, 'lines'>): GuestObservation['mounts'] {
  const text = guest === undefined ? undefined : raw.lines.get(`/proc/${guest.mainPid}/mountinfo`);
  return text === undefined ? undefined : parseMountinfo(text);
}

function entriesOf(chroot: string, raw: Indexed): readonly string[] | undefined {
  if (!raw.complete || raw.links.get(chroot) === undefined) return undefined;
  return (raw.linksIn.get(chroot) ?? []).map(([name]) => name);
}

/** Where a hierarchy is that systemd manages: version 2 on all of a host, or beside version 1. */
const cgroupMounts = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified'];

function cgroupOf(group: string | undefined, raw: Indexed, trials: DeviceTrials): CgroupObservation {
  const own = namespaceOf('self', raw);
  const fileOf = (name: CgroupFile) =>
    group === undefined || group === ''
      ? undefined
      : cgroupMounts
          .map((mount) => raw.files.get(`${mount}${group}/${name}`))
          .find((text) => text !== undefined);
  const files = Object.fromEntries(cgroupFiles.map((name) => [name, fileOf(name)?.trim()]));
  return {
    sameNamespace: own !== undefined && own === namespaceOf('1', raw),
    files: files as CgroupObservation['files'],
    diskParts: diskParts(raw),
    trials,
  };
}

function namespaceOf(process: string, raw: Indexed): string | undefined {
  return raw.links.get(`/proc/${process}/ns/cgroup`)?.target;
}

/** `/sys/dev/block/DISK/…/dev` holds the number of what lies on that disk. */
function diskParts(raw: Indexed): CgroupObservation['diskParts'] {
  const parts: Record<string, string[]> = {};
  for (const [path, content] of raw.files) {
    const disk = /^\/sys\/dev\/block\/(\d+:\d+)\/(?:.*\/)?dev$/.exec(path)?.[1];
    if (disk !== undefined) (parts[disk] ??= []).push(content.trim());
  }
  return parts;
}
