import { evidenceSection, evidenceSectionName, parseEvidence, proveIsolation } from '../jail/evidence.ts';
import { isolationExpectation } from '../jail/expectation.ts';
import type { IsolationExpectation } from '../jail/launch-plan.ts';
import { failure, type Result, success } from '../model/diagnostic.ts';
import type { GuestEvidence } from '../model/evidence.ts';
import type { ReadSection } from '../model/operation.ts';
import { defaultRoots, type HostRoots } from '../model/paths.ts';
import { sh, word } from '../model/shell.ts';
import { type GuestFacts, guestsSection, guestsSectionName } from '../resources/guest/facts.ts';
import { parseGuests } from '../resources/guest/facts-parse.ts';
import { renderGuest, withQemu } from '../resources/guest/render.ts';
import { unprovableLayers } from '../resources/guest/requests.ts';
import { capabilitiesFor, type HostFacts, hostSection, hostSectionName } from '../resources/host/facts.ts';
import { loadedFault } from '../resources/host/apparmor.ts';
import { parseHost } from '../resources/host/facts-parse.ts';
import { parseQemuUsers, qemuUsersSection, qemuUsersSectionName } from '../resources/qemu-users/facts.ts';
import type { HostSnapshot } from './snapshot.ts';

/** What to read for a whole snapshot, in one round trip. `binaries`: QEMUs to ask beside those the host knows of. */
export function snapshotSections(
  roots: HostRoots = defaultRoots,
  binaries: readonly string[] = [],
): readonly ReadSection[] {
  return [
    hostSection(roots, binaries),
    qemuUsersSection(roots),
    guestsSection(roots),
    everyGuestsEvidence(roots),
  ];
}

/** The evidence of all guests that have a record, found on the host itself: one round trip less. */
function everyGuestsEvidence(roots: HostRoots): ReadSection {
  const section = evidenceSection([], roots);
  return {
    ...section,
    body: sh`set --
for record in ${word(roots.state)}/guests/*/record; do
  [ -f "$record" ] || continue
  record=\${record%/record}
  set -- "$@" "\${record##*/}"
done
${section.body}`,
  };
}

/**
 * Reads what the sections showed. Fails as a whole where one of them cannot be read: half a picture is no observation. `seen`:
 * what the host itself was shortly before, where its section was left out because only guests were touched since. Directories that
 * guests share are not among it: who asks for them reads them beside it (`SourceLooks`).
 */
export function parseSnapshot(
  host: string,
  sections: ReadonlyMap<string, Uint8Array>,
  roots: HostRoots = defaultRoots,
  seen?: HostFacts,
): Result<HostSnapshot> {
  const looked = seen === undefined || sections.has(hostSectionName);
  const facts = looked ? parseHost(shown(sections, hostSectionName), roots) : success(seen);
  const users = parseQemuUsers(shown(sections, qemuUsersSectionName), roots);
  const guests = parseGuests(shown(sections, guestsSectionName), roots);
  if (!facts.ok || !users.ok || !guests.ok) {
    const found = [facts, users, guests].flatMap((part) => (part.ok ? [] : part.diagnostics));
    return failure(...found.map((diagnostic) => ({ ...diagnostic, host })));
  }
  const expectations = [...guests.value.guests.values()].flatMap((guest) => {
    const expectation = expectationOf(guest, facts.value, roots);
    return expectation === undefined ? [] : [expectation];
  });
  const observed = parseEvidence(shown(sections, evidenceSectionName), expectations, host);
  if (!observed.ok) return failure(...observed.diagnostics.map((diagnostic) => ({ ...diagnostic, host })));
  const evidence = new Map<string, GuestEvidence>();
  observed.value.forEach((observation, index) => {
    const expectation = expectations[index];
    if (expectation === undefined) return;
    evidence.set(observation.guest, proveIsolation(observation, expectation));
  });
  return success({
    host,
    facts: looked ? facts.value : { ...facts.value, guests: ownersOf(guests.value.guests) },
    users: users.value,
    guests: guests.value.guests,
    files: guests.value.files,
    evidence,
    sources: new Map(),
  });
}

/** Who owns which guest, by the freshest look at them. */
function ownersOf(guests: ReadonlyMap<string, GuestFacts>): HostFacts['guests'] {
  return [...guests.values()].map(({ name, owner }) => ({ guest: name, owner }));
}

function shown(sections: ReadonlyMap<string, Uint8Array>, name: string): Uint8Array {
  return sections.get(name) ?? new Uint8Array();
}

/**
 * What a guest's evidence is measured against: its recorded definition on the host's present QEMU. A guest whose record or
 * lease cannot be read has none, and so no evidence: that shows as drift.
 */
function expectationOf(
  guest: GuestFacts,
  facts: HostFacts,
  roots: HostRoots,
): IsolationExpectation | undefined {
  const capabilities = withQemu(capabilitiesFor(facts, guest.owner));
  const logger = facts.logger;
  if (guest.stored === undefined || guest.lease === undefined || capabilities === undefined) return undefined;
  const { plan } = renderGuest({ ...guest.stored, name: guest.name }, capabilities, roots);
  const { qemu } = capabilities;
  return isolationExpectation(
    plan,
    guest.lease,
    {
      qemuDevice: qemu.device,
      qemuInode: qemu.inode,
      unprovable: unprovableLayers(capabilities),
      profileFault: loadedFault(facts),
      // Without that user nothing a logger runs as counts as right.
      loggerUid: logger?.uid ?? -1,
      loggerGid: logger?.gid ?? -1,
    },
    roots,
  );
}
