import { failure, problem, type Result, success } from '../model/diagnostic.ts';
import { guestUnit } from '../model/paths.ts';
import { parseTrials } from './device-rule.ts';
import { parseImages } from './disks.ts';
import { cgroupOf } from './evidence-cgroup.ts';
import { bootIdOf, type Indexed, indexed, namespacesOf } from './evidence-index.ts';
import { hostNodesOf, nodesBelow } from './evidence-nodes.ts';
import { namespaceOwners, sharedNamespaces } from './evidence-owners.ts';
import { helperWentAway, processesOf, strangersOf } from './evidence-processes.ts';
import { domainProcessesOf } from './evidence-domain.ts';
import { type RawEvidence, type RawGuest, readEvidenceStream } from './evidence-stream.ts';
import { helpersOf } from './helper-observation.ts';
import type { IsolationExpectation } from './launch-plan.ts';
import type { GuestObservation } from './observation.ts';
import { parseMountinfo } from './mountinfo.ts';
import { parseFile, parseUnits } from './proc-parse.ts';

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
      const processes =
        guest === undefined
          ? []
          : expectation.domain === undefined
            ? processesOf(guest, raw, expectation, unit?.controlGroup)
            : domainProcessesOf(guest, raw, expectation);
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
        sharedNamespaces: sharedNamespaces(guest?.pids ?? [], `guest "${expectation.guest}"`, owners, raw),
        helpers: helpersOf(expectation, units, owners, trials, raw),
        profiles: raw.profiles,
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

function mountsOf(guest: RawGuest | undefined, raw: Pick<RawEvidence, 'lines'>): GuestObservation['mounts'] {
  const text = guest === undefined ? undefined : raw.lines.get(`/proc/${guest.mainPid}/mountinfo`);
  return text === undefined ? undefined : parseMountinfo(text);
}

function entriesOf(chroot: string, raw: Indexed): readonly string[] | undefined {
  if (!raw.complete || raw.links.get(chroot) === undefined) return undefined;
  return (raw.linksIn.get(chroot) ?? []).map(([name]) => name);
}
