import { type Basis, basisOf, type ChangedObject } from '../engine/basis.ts';
import { type HostPlan, planHost, wishedSources } from '../engine/plan.ts';
import { joinPlans, planRemovals } from '../engine/removals.ts';
import type { HostSnapshot } from '../engine/snapshot.ts';
import type { Target } from '../connect/target.ts';
import { bounded } from '../executor/bounded.ts';
import { isSilent } from '../executor/diagnostics.ts';
import type { Fleet } from '../executor/fleet.ts';
import type { Address } from '../model/address.ts';
import type { Diagnostic, Result } from '../model/diagnostic.ts';
import { success } from '../model/diagnostic.ts';
import type { HostIntent } from './expand.ts';

/** What will change on one host, how, and what that rests on. */
export interface PlannedHost extends HostPlan {
  readonly host: string;
  readonly target: Target;
  /** What it will be like: what was planned is measured by it afterwards. */
  readonly intent: HostIntent;
  readonly basis: Basis;
}

/** What will change in a fleet. */
export interface FleetPlan {
  readonly fleet: string;
  /** In the order of the inventory. */
  readonly hosts: readonly PlannedHost[];
  /** Hosts for which there is no plan: they gave no answer, or cannot give what is asked for. */
  readonly failures: readonly HostFailure[];
  readonly warnings: readonly Diagnostic[];
}

export interface HostFailure {
  readonly host: string;
  readonly diagnostics: readonly Diagnostic[];
}

export interface PlanningOptions {
  readonly fleet: string;
  readonly link: Fleet;
  /** Hosts at the same time. */
  readonly parallelism: number;
  /** What becomes of a host that gives no answer: a failure, or a warning and no changes there. */
  readonly unreachable: 'error' | 'keep';
  /** The objects whose basis is wanted, by host. @default those that are changed */
  readonly about?: (host: string) => readonly ChangedObject[];
}

type Looked = Result<PlannedHost> & { readonly host: string };

/** Observes all hosts and plans each: one round trip per host, side by side. */
export async function planIntents(
  intents: readonly HostIntent[],
  options: PlanningOptions,
): Promise<FleetPlan> {
  const looked = await bounded(intents, options.parallelism, async (intent): Promise<Looked> => {
    const planned = await planOne(intent, options);
    return { ...planned, host: intent.target.host };
  });
  const warnings: Diagnostic[] = [];
  const failures: HostFailure[] = [];
  const hosts: PlannedHost[] = [];
  for (const one of looked) {
    if (one.ok) {
      hosts.push(one.value);
      warnings.push(...one.warnings);
    } else if (options.unreachable === 'keep' && isSilent(one.diagnostics)) {
      warnings.push(...one.diagnostics.map(leftAlone));
    } else failures.push({ host: one.host, diagnostics: one.diagnostics });
  }
  return { fleet: options.fleet, hosts, failures, warnings };
}

async function planOne(
  intent: HostIntent,
  { fleet, link, about }: PlanningOptions,
): Promise<Result<PlannedHost>> {
  const seen = await observe(intent, link);
  if (!seen.ok) return seen;
  const planned = planIntent(intent, fleet, seen.value);
  if (!planned.ok) return planned;
  const { target } = intent;
  const changed = about?.(target.host) ?? planned.value.changes.filter(({ action }) => action !== 'noop');
  const basis = basisOf(intent.wish, changed, seen.value);
  const host = { host: target.host, target, intent, basis, ...planned.value };
  return success(host, [...seen.warnings, ...planned.warnings]);
}

export function changedIn({ changes }: HostPlan): readonly Address[] {
  return changes.filter(({ action }) => action !== 'noop').map(({ address }) => address);
}

/** The host as it is, with all that a plan of this intent has to look at. */
export function observe({ target, wish, makes }: HostIntent, link: Fleet): Promise<Result<HostSnapshot>> {
  const { qemuBinary } = wish.host;
  return link.observe(
    target,
    qemuBinary === undefined || !makes ? [] : [qemuBinary],
    makes ? wishedSources(wish) : [],
  );
}

/** What goes and what is made on one host, by what it shows. Guests that go count as gone for those that come. */
export function planIntent(
  { wish, makes, keeps }: HostIntent,
  fleet: string,
  snapshot: HostSnapshot,
): Result<HostPlan> {
  const removals = planRemovals(snapshot, { fleet, keeps });
  if (!makes) return success(removals);
  const made = planHost(wish, withoutGuests(snapshot, removals));
  return made.ok ? success(joinPlans(removals, made.value), made.warnings) : made;
}

function withoutGuests(snapshot: HostSnapshot, { changes }: HostPlan): HostSnapshot {
  const leaving = new Set(
    changes.filter(({ address }) => address.kind === 'guest').map(({ address }) => address.name),
  );
  if (leaving.size === 0) return snapshot;
  const guests = new Map([...snapshot.guests].filter(([name]) => !leaving.has(name)));
  return { ...snapshot, guests };
}

function leftAlone(one: Diagnostic): Diagnostic {
  return { ...one, severity: 'warning', summary: `${one.summary}: nothing is planned there` };
}
