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
import { type HostWithQemu, launchPlan } from '../resources/guest/render.ts';
import { type HostWithXen, launchXlPlan } from '../resources/guest/render-xl.ts';
import { readyHost } from '../resources/guest/rendering.ts';
import { unprovableLayers } from '../resources/guest/requests.ts';
import { capabilitiesFor, type HostFacts, hostSection, hostSectionName } from '../resources/host/facts.ts';
import { loadedFault } from '../resources/host/apparmor.ts';
import { parseHost } from '../resources/host/facts-parse.ts';
import { parseQemuUsers, qemuUsersSection, qemuUsersSectionName } from '../resources/qemu-users/facts.ts';
import {
  domainsSection,
  domainsSectionName,
  parseDomains,
  type XenDomain,
} from '../toolstacks/xl/domains.ts';
import { fdCheckSection, fdCheckSectionName } from '../toolstacks/xl/fd-check.ts';
import { type DomainHandles, parseFdCheck } from '../toolstacks/xl/fd-check-parse.ts';
import { proveXlIsolation } from '../toolstacks/xl/evidence.ts';
import { domainOf, xlExpectation } from '../toolstacks/xl/expectation.ts';
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
    domainsSection(),
    xenHandles(roots),
    everyGuestsEvidence(roots),
  ];
}

/** The handles of all domains that were started for guests, as their xl.cfg names them; nothing where there are none. */
function xenHandles(roots: HostRoots): ReadSection {
  const section = fdCheckSection([]);
  return {
    ...section,
    body: sh`command -v xl >/dev/null && [ -r /proc/xen/capabilities ] || exit 0
set --
for config in ${word(roots.run)}/guests/*/xl.cfg; do
  [ -f "$config" ] || continue
  while read -r key _ value; do
    [ "$key" = uuid ] || continue
    value=\${value%\\"}
    set -- "$@" "\${value#\\"}"
    break
  done <"$config"
done
# without python3 no handle is proven; what else there is to see does not depend on it
[ $# -eq 0 ] || (
${section.body}
) || :`,
  };
}

/** By the domain's UUID; what cannot be read shows nothing. */
function handlesIn(bytes: Uint8Array): ReadonlyMap<string, DomainHandles> {
  const checked = parseFdCheck(bytes);
  return checked.ok ? checked.value : new Map();
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
  const domains = parseDomains(shown(sections, domainsSectionName));
  const handles = handlesIn(shown(sections, fdCheckSectionName));
  const expectations = [...guests.value.guests.values()].flatMap((guest) => {
    const expectation = expectationOf(guest, { host, facts: facts.value, domains: domains ?? [] }, roots);
    return expectation === undefined ? [] : [expectation];
  });
  const observed = parseEvidence(shown(sections, evidenceSectionName), expectations, host);
  if (!observed.ok) return failure(...observed.diagnostics.map((diagnostic) => ({ ...diagnostic, host })));
  const evidence = new Map<string, GuestEvidence>();
  observed.value.forEach((observation, index) => {
    const expectation = expectations[index];
    if (expectation === undefined) return;
    const { domain } = expectation;
    evidence.set(
      observation.guest,
      domain === undefined
        ? proveIsolation(observation, expectation)
        : proveXlIsolation(observation, expectation, handles.get(domain.uuid)),
    );
  });
  return success({
    host,
    facts: looked ? facts.value : { ...facts.value, guests: ownersOf(guests.value.guests) },
    users: users.value,
    guests: guests.value.guests,
    files: guests.value.files,
    evidence,
    sources: new Map(),
    domains,
  });
}

/** Who owns which guest, by the freshest look at them. */
function ownersOf(guests: ReadonlyMap<string, GuestFacts>): HostFacts['guests'] {
  return [...guests.values()].map(({ name, owner }) => ({ guest: name, owner }));
}

function shown(sections: ReadonlyMap<string, Uint8Array>, name: string): Uint8Array {
  return sections.get(name) ?? new Uint8Array();
}

/** What of a host decides what its guests' evidence is measured against. */
interface Seen {
  readonly host: string;
  readonly facts: HostFacts;
  readonly domains: readonly XenDomain[];
}

/**
 * What a guest's evidence is measured against: its recorded definition on the host's present QEMU or Xen. A guest whose record or
 * lease cannot be read has none, and so no evidence: that shows as drift.
 */
function expectationOf(guest: GuestFacts, seen: Seen, roots: HostRoots): IsolationExpectation | undefined {
  const { toolstack = 'qemu' } = guest;
  const ready = readyHost({ ...capabilitiesFor(seen.facts, guest.owner), toolstack });
  if (ready === undefined) return undefined;
  return ready.toolstack === 'xl'
    ? domainExpectation(guest, ready, seen, roots)
    : qemuExpectation(guest, ready, seen, roots);
}

function qemuExpectation(guest: GuestFacts, host: HostWithQemu, { facts }: Seen, roots: HostRoots) {
  if (guest.stored === undefined || guest.lease === undefined) return undefined;
  const plan = launchPlan({ ...guest.stored, name: guest.name }, host, roots);
  const { device, inode } = host.qemu;
  const identities = { ...identitiesOf(facts, host), qemuDevice: device, qemuInode: inode };
  return isolationExpectation(plan, guest.lease, identities, roots);
}

function domainExpectation(guest: GuestFacts, xen: HostWithXen, seen: Seen, roots: HostRoots) {
  const { stored, lease, name, owner } = guest;
  if (stored === undefined || lease === undefined) return undefined;
  const plan = launchXlPlan({ ...stored, name, fleet: owner, host: seen.host }, xen, roots);
  const domain = domainOf(plan.uuid, seen.domains);
  return xlExpectation(plan, lease, stored.scheme === 'range', domain, identitiesOf(seen.facts, xen), roots);
}

function identitiesOf(facts: HostFacts, capabilities: HostWithQemu | HostWithXen) {
  const { logger } = facts;
  return {
    unprovable: unprovableLayers(capabilities),
    profileFault: loadedFault(facts),
    // Without that user nothing a logger runs as counts as right.
    loggerUid: logger?.uid ?? -1,
    loggerGid: logger?.gid ?? -1,
  };
}
