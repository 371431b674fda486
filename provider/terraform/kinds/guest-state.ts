import type { HostSnapshot } from '../../engine/snapshot.ts';
import type { Address } from '../../model/address.ts';
import type { StoredGuest } from '../../resources/guest/desired.ts';
import type { GuestFacts } from '../../resources/guest/facts.ts';
import { guestIntegrity } from '../../resources/guest/integrity.ts';
import { recordState } from '../../resources/guest/record-state.ts';
import { readyHost, renderFor } from '../../resources/guest/rendering.ts';
import { driversFound } from '../../resources/guest/share-words.ts';
import { shareDriverTexts } from '../../resources/guest/shares.ts';
import { capabilitiesFor } from '../../resources/host/facts.ts';
import { guestSchema } from '../../spec/guest.ts';
import { domainUuid } from '../../toolstacks/xl/config.ts';
import { domainOf, idsInDomain } from '../../toolstacks/xl/expectation.ts';
import type { ObjectValue } from '../../tfplugin/types.ts';
import { printableLine } from '../../model/printable.ts';
import type { Found } from '../kind.ts';
import { asItStood, fromSpec } from '../values.ts';
import { fileState } from './guest-plan.ts';

/** A guest as its host shows it: the definition from its record, the rest from files and processes. */
export function findGuest(
  snapshot: HostSnapshot,
  address: Address,
  _fleet: string,
  prior: ObjectValue,
): Found | undefined {
  const facts = snapshot.guests.get(address.name);
  if (facts === undefined) return undefined;
  const evidence = snapshot.evidence.get(address.name);
  const state: ObjectValue = {
    ...prior,
    ...(facts.stored === undefined ? {} : definition(facts.stored, address.host, prior)),
    id: `${address.host}/${address.name}`,
    host: address.host,
    name: address.name,
    ...idsNow(facts, address, snapshot),
    generation: facts.generation,
    state: evidence?.running === true ? 'running' : 'stopped',
    share_drivers: driversInUse(facts, snapshot),
    integrity: shown({
      ...guestIntegrity(facts, evidence, fingerprint(facts, snapshot)),
      record: recordState(facts),
    }),
  };
  return { owners: facts.owner === '' ? [] : [facts.owner], state };
}

/** The domid it was leased; of a guest of xl's, what Xen gave it at its last start, and the uid that follows from that in a range. */
function idsNow(facts: GuestFacts, { host, name }: Address, { domains }: HostSnapshot): ObjectValue {
  const { lease, stored, toolstack, owner } = facts;
  if (lease === undefined) return { domid: null, uid: null };
  if (toolstack !== 'xl') return { domid: lease.domid, uid: lease.uid };
  const domain = domainOf(domainUuid({ fleet: owner, host, name }), domains ?? []);
  const follows = stored?.scheme === 'range';
  const uid = follows && domain === undefined ? null : idsInDomain(lease, follows, domain).uid;
  return { domid: domain?.domid ?? null, uid };
}

/** Names of files and words of processes are in it, which a guest or its host may have chosen. */
function shown(integrity: Readonly<Record<string, string>>): ObjectValue {
  return Object.fromEntries(Object.entries(integrity).map(([part, text]) => [part, printableLine(text)]));
}

/** What launcher and unit should be, by the record; not known for a host without a record of its QEMU. */
function fingerprint(facts: GuestFacts, snapshot: HostSnapshot) {
  const { toolstack = 'qemu' } = facts;
  const capabilities = readyHost({ ...capabilitiesFor(snapshot.facts, facts.owner), toolstack });
  if (facts.stored === undefined || capabilities === undefined) return undefined;
  return renderFor(
    { ...facts.stored, name: facts.name, fleet: facts.owner, host: snapshot.host },
    capabilities,
  );
}

/** Those of a guest as it was made: where the host would choose another now, the plan shows the change. */
function driversInUse(facts: GuestFacts, snapshot: HostSnapshot): ObjectValue | null {
  const chosen = shareDrivers(facts.stored, snapshot, facts.owner);
  if (chosen === null) return null;
  const found = [...driversFound(facts)].map(([tag, kind]) => {
    const text = chosen[tag];
    return [tag, typeof text === 'string' && text.startsWith(`${kind}:`) ? text : `${kind}: as it was made`];
  });
  return Object.fromEntries(found) as ObjectValue;
}

/** Who serves each share, and why, by the host as it is; null for a guest without, and on a host that is not known. */
export function shareDrivers(
  guest: Pick<StoredGuest, 'shares' | 'machine' | 'isolation'> | undefined,
  { facts }: HostSnapshot,
  fleet: string,
): ObjectValue | null {
  if (guest === undefined || guest.shares.length === 0) return null;
  return Object.fromEntries(shareDriverTexts(guest, capabilitiesFor(facts, fleet)));
}

/** What few guests have. The record does not tell none from an empty list or object: such show as they stood before. */
function departures(stored: StoredGuest, prior: ObjectValue): ObjectValue {
  const { disks, shares, devices, limits, isolation } = guestSchema.shape;
  const found: ObjectValue = {
    disks: fromSpec(disks, stored.disks),
    shares: fromSpec(shares, stored.shares),
    devices: fromSpec(devices, stored.devices),
    limits: fromSpec(limits, stored.limits),
    isolation: fromSpec(isolation, stored.isolation),
  };
  const shown = Object.entries(found).map(([name, value]) => [name, asItStood(value, prior[name] ?? null)]);
  return {
    ...(Object.fromEntries(shown) as ObjectValue),
    shared_memory: stored.sharedMemory,
    network: stored.network,
  };
}

/** What was not set shows as not set: the record does not tell an empty command line from none. */
function definition(stored: StoredGuest, host: string, prior: ObjectValue): ObjectValue {
  return {
    ...departures(stored, prior),
    users: `${host}/${stored.scheme}`,
    memory_mib: stored.memoryMib,
    vcpus: stored.vcpus,
    machine: stored.machine,
    accelerator: stored.accelerator,
    kernel: fileState(stored.kernel, prior['kernel'] ?? null),
    initrd: fileState(stored.initrd, prior['initrd'] ?? null),
    command_line: stored.commandLine === '' ? null : stored.commandLine,
    serial_log_max_kib: stored.serialLogMaxKib,
    restart_policy: stored.restartPolicy,
    shutdown_timeout_seconds: stored.shutdownTimeoutSeconds,
  };
}
