import { networkInterfaces } from 'node:os';

/** A lab's share of 198.18.0.0/15 (RFC 2544): one of 512 networks of 256 addresses, with room for 64 hosts. */
export type Slot = number;

export const slotCount = 512;
export const hostsPerSlot = 64;

export interface HostLink {
  /** The machine's end of the link. */
  readonly machineAddress: string;
  readonly hostAddress: string;
  /** The machine's interface; the host's is called host0. */
  readonly machineInterface: string;
}

/** Host `index` (from 0) of a slot has a /30 of its own: the machine's end, then the host. */
export function linkOf(slot: Slot, index: number): HostLink {
  const network = `198.${18 + Math.floor(slot / 256)}.${slot % 256}`;
  return {
    machineAddress: `${network}.${index * 4 + 1}`,
    hostAddress: `${network}.${index * 4 + 2}`,
    machineInterface: `lab${slot}h${index + 1}`,
  };
}

/** A slot that neither a known run nor any interface of this machine uses. */
export function freeSlot(taken: readonly Slot[]): Slot {
  const used = new Set([...taken, ...slotsOfInterfaces()]);
  // Not the first free one: another user's labs, which we cannot see until they are up, choose at the same time.
  const start = Math.floor(Math.random() * slotCount);
  for (let step = 0; step < slotCount; step++) {
    const slot = (start + step) % slotCount;
    if (!used.has(slot)) return slot;
  }
  throw new Error('all 512 networks for labs are in use; stop some with `npm run lab -- down`');
}

function slotsOfInterfaces(): readonly Slot[] {
  const addresses = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []);
  return addresses.flatMap(({ address }) => {
    const [first, second, third] = address.split('.').map(Number);
    return first === 198 && (second === 18 || second === 19) ? [(second - 18) * 256 + (third ?? 0)] : [];
  });
}
