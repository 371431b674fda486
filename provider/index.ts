/**
 * Stockade as a library: what the command line does, as functions.
 *
 *     import { apply, loadDefinitions, plan } from 'stockade-vm';
 *
 *     const definitions = loadDefinitions(['fleet.yaml']);
 *     if (!definitions.ok) throw new Error(definitions.diagnostics[0]?.summary);
 *     const planned = await plan(definitions.value);
 *     if (planned.ok) await apply(planned.value);
 *
 * Expected failures are values (`Result`, `Diagnostic`); what is thrown is a bug.
 */
export {
  apply,
  type ApplyOptions,
  type CommonOptions,
  defaultParallelism,
  evidence,
  facts,
  importDefinition,
  type Link,
  openLink,
  plan,
  type PlanOptions,
  probe,
} from './cli/library.ts';
export { loadDefinitions } from './definitions/load.ts';
export type { ApplyOutcome, HostOutcome, ObjectOutcome, ObjectState } from './cli/applying.ts';
export type { GuestProof, HostEvidence } from './cli/evidence.ts';
export type { HostSummary, SeenHost } from './cli/facts.ts';
export type { FleetPlan, HostFailure, PlannedHost } from './cli/planning.ts';
export type { ProbedHost } from './cli/probing.ts';
export { asSaved, parseSavedPlan, type PlanRequest, type SavedPlan, savedPlan } from './cli/saved-plan.ts';
export type { ExecutorEvent } from './executor/events.ts';
export type { Address } from './model/address.ts';
export type { Change, FieldReason, IsolationChange, IsolationLine } from './model/change.ts';
export type { Diagnostic, Result, SourcePosition } from './model/diagnostic.ts';
export type { GuestEvidence, LayerEvidence } from './model/evidence.ts';
export type { Definitions } from './spec/definitions.ts';
