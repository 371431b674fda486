/**
 * Constructs for restricted guests. Start with `StockadeFleet`, then `HypervisorHost`, `QemuUsers`, `RestrictedGuest`; the generated
 * bindings below them are in `bindings`.
 */
export { Fleet } from './definitions.ts';
export { StockadeFleet, type HostEntryProps, type StockadeFleetProps } from './fleet.ts';
export { HypervisorHost, type HypervisorHostProps } from './host.ts';
export { QemuUsers, type QemuUsersOptions, type QemuUsersProps } from './users.ts';
export {
  type GuestDiskProps,
  type GuestIsolationProps,
  type GuestLimitsProps,
  type GuestShareProps,
  RestrictedGuest,
  type RestrictedGuestProps,
} from './guest.ts';
export { GuestEvidence, type GuestEvidenceProps } from './evidence.ts';
export { EvidenceGate, type EvidenceGateProps, Gate, type GateProps } from './gate.ts';
export { CommandGate, type CommandGateProps, type GateCommand } from './command-gate.ts';
export type { GuestFile } from './files.ts';
export { layersWithoutXl, type LayerName, type SwitchableLayer } from '../provider/model/evidence.ts';
export * as bindings from './generated/index.ts';
