import type { Address } from '../../model/address.ts';
import type { IsolationChange } from '../../model/change.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import { qemuCautions } from '../../resources/guest/cautions.ts';
import { guestIsolation, plainGuest } from '../../resources/guest/desired.ts';
import { layerObstacle, layerRequests, missingLayers } from '../../resources/guest/requests.ts';
import { xlCautions } from '../../resources/guest/xl-obstacles.ts';
import { driversFound, driversOf } from '../../resources/guest/share-words.ts';
import { launchShares } from '../../resources/guest/shares.ts';
import { type IsolationDefinition, isolationChange, type Standing } from '../../resources/guest/weakening.ts';
import { capabilitiesFor } from '../../resources/host/facts.ts';
import { type GuestSpec, guestSchema } from '../../spec/guest.ts';
import type { HostCapabilities } from '../../toolstacks/qemu/capabilities.types.ts';
import type { ObjectValue } from '../../tfplugin/types.ts';
import type { Prospect } from '../kind.ts';
import { isolationNews } from '../lifecycle/announce.ts';
import { parseKnown } from '../values.ts';

/** What a guest loses of its isolation and gains of its host, and what QEMU itself says against its definition. */
export function guestRemarks(
  address: Address,
  config: ObjectValue,
  prospect: Prospect,
): readonly Diagnostic[] {
  const spec = parseKnown(guestSchema, config);
  const isolation =
    prospect.change === undefined ? foreseen(address, spec, prospect) : prospect.change.isolation;
  const onHost = hostOf(prospect);
  if (onHost?.toolstack === 'xl')
    return [...isolationNews(address, isolation), ...xlNews(address, spec, onHost, prospect)];
  const { accelerator = 'kvm', machine = 'q35', network = 'none' } = spec;
  const { host, name } = address;
  const drivers = driversOn(spec, onHost);
  return [
    ...isolationNews(address, isolation),
    ...qemuCautions({ host, name, accelerator, machine, network }, drivers),
  ];
}

function xlNews(
  { host, name }: Address,
  { memoryMib = 0 }: Partial<GuestSpec>,
  onHost: HostCapabilities,
  { snapshot }: Prospect,
): readonly Diagnostic[] {
  return xlCautions({ host, name, memoryMib }, onHost, snapshot?.evidence.get(name)?.running === true);
}

/** Without operations to go by: from the definition, as far as it is known, and from what is known of the host. */
function foreseen(
  address: Address,
  spec: Partial<GuestSpec>,
  prospect: Prospect,
): IsolationChange | undefined {
  const definition = weighed(spec);
  const before = standingBefore(address, prospect);
  const host = hostOf(prospect);
  const missing =
    host === undefined
      ? before === 'full'
        ? []
        : before.missing
      : missingLayers(layerRequests(definition.isolation, host));
  const why = (layer: Parameters<typeof layerObstacle>[0]) => host && layerObstacle(layer, host);
  return isolationChange(before, { definition, missing, drivers: driversOn(spec, host) }, why);
}

function driversOn(
  { machine = 'q35', shares = [], isolation }: Partial<GuestSpec>,
  host: HostCapabilities | undefined,
) {
  if (host === undefined) return driversOf([]);
  return driversOf(launchShares({ machine, shares, isolation: guestIsolation(isolation) }, host));
}

function standingBefore(address: Address, { snapshot, prior }: Prospect): Standing | 'full' {
  if (prior === null) return 'full';
  const facts = snapshot?.guests.get(address.name);
  if (facts?.stored !== undefined)
    return { definition: facts.stored, missing: facts.missing, drivers: driversFound(facts) };
  return { definition: weighed(parseKnown(guestSchema, prior)), missing: [], drivers: new Map() };
}

/** One that is to be prepared first may get another QEMU: nothing is known of it yet. */
function hostOf({ snapshot, fleet }: Prospect): HostCapabilities | undefined {
  return snapshot?.facts.owners.has(fleet) === true ? capabilitiesFor(snapshot.facts, fleet) : undefined;
}

/** What is not known yet counts as harmless: Terraform plans again once it is known. Limits need the guest's size. */
function weighed(spec: Partial<GuestSpec>): IsolationDefinition {
  const { memoryMib, vcpus, accelerator } = spec;
  const sized = memoryMib !== undefined && vcpus !== undefined && accelerator !== undefined;
  return {
    memoryMib: memoryMib ?? 1,
    vcpus: vcpus ?? 1,
    accelerator: accelerator ?? 'kvm',
    sharedMemory: spec.sharedMemory ?? plainGuest.sharedMemory,
    shares: spec.shares ?? plainGuest.shares,
    network: spec.network ?? plainGuest.network,
    devices: spec.devices ?? plainGuest.devices,
    limits: (sized ? spec.limits : undefined) ?? plainGuest.limits,
    isolation: guestIsolation(spec.isolation),
  };
}
