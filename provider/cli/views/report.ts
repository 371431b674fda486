import type { Action } from '../../model/action.ts';
import { type Address, describeAddress } from '../../model/address.ts';
import type { Change, FieldReason, IsolationLine } from '../../model/change.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import type { FleetPlan } from '../planning.ts';

/** A plan as every view tells it. Nothing in it is escaped yet. */
export interface PlanReport {
  readonly fleet: string;
  readonly hosts: number;
  readonly counts: Readonly<Record<Action, number>>;
  /** There is something to do. */
  readonly changes: boolean;
  readonly isolation: {
    readonly losses: readonly IsolationNews[];
    readonly gains: readonly IsolationNews[];
    readonly regained: readonly IsolationNews[];
    readonly dropped: readonly IsolationNews[];
  };
  /** What its users notice: restarts, what is made anew, what loses data. */
  readonly disruptions: readonly ObjectChange[];
  readonly removals: readonly ObjectChange[];
  /** All objects that change, host by host. */
  readonly objects: readonly ObjectChange[];
  readonly warnings: readonly Diagnostic[];
  readonly failures: readonly Diagnostic[];
  /** Hosts that could not be planned. */
  readonly failedHosts: number;
}

export interface IsolationNews extends IsolationLine {
  readonly address: Address;
  readonly object: string;
}

export interface ObjectChange {
  readonly address: Address;
  /** `guest web1 on hv1` */
  readonly object: string;
  readonly action: Action;
  readonly disruption: Change['disruption'];
  readonly reasons: readonly FieldReason[];
  readonly change: Change;
}

export function reportOf(plan: FleetPlan): PlanReport {
  const all = plan.hosts.flatMap(({ changes }) => changes);
  const objects = all.filter(({ action }) => action !== 'noop').map(objectChange);
  const news = (part: keyof NonNullable<Change['isolation']>) =>
    objects.flatMap(({ address, object, change }) =>
      (change.isolation?.[part] ?? []).map((line) => ({ ...line, address, object })),
    );
  const counts = { create: 0, update: 0, restart: 0, replace: 0, delete: 0, noop: 0 };
  for (const { action } of all) counts[action]++;
  return {
    fleet: plan.fleet,
    hosts: plan.hosts.length,
    counts,
    changes: objects.length > 0,
    isolation: {
      losses: news('losses'),
      gains: news('gains'),
      regained: news('regained'),
      dropped: news('dropped'),
    },
    disruptions: objects.filter(({ disruption }) => disruption !== 'none' && disruption !== 'live'),
    removals: objects.filter(({ action }) => action === 'delete'),
    objects,
    warnings: plan.warnings,
    failures: plan.failures.flatMap(({ diagnostics }) => diagnostics),
    failedHosts: plan.failures.length,
  };
}

function objectChange(change: Change): ObjectChange {
  const { address, action, disruption, reasons } = change;
  return { address, object: describeAddress(address), action, disruption, reasons, change };
}

/** `2 to create, 1 to restart, 1 to destroy; 9 stay as they are` */
export function countsText({ counts, failedHosts }: Pick<PlanReport, 'counts' | 'failedHosts'>): string {
  const told = (Object.keys(actionWords) as (keyof typeof actionWords)[])
    .filter((action) => counts[action] > 0)
    .map((action) => `${counts[action]} ${actionWords[action]}`);
  const same = counts.noop === 1 ? '1 stays as it is' : `${counts.noop} stay as they are`;
  const failed = `${failedHosts} ${failedHosts === 1 ? 'host' : 'hosts'} CANNOT BE PLANNED`;
  const all = told.length === 0 ? 'nothing to do' : told.join(', ');
  return `${failedHosts === 0 ? '' : `${failed}; `}${all}; ${same}`;
}

const actionWords = {
  create: 'to create',
  update: 'to change in place',
  restart: 'to restart',
  replace: 'to make anew',
  delete: 'to destroy',
} as const;

/** What an action does to an object, in a word or two. */
export const actionVerbs: Readonly<Record<Action, string>> = {
  create: 'is created',
  update: 'is changed in place',
  restart: 'restarts',
  replace: 'is made anew',
  delete: 'is destroyed',
  noop: 'stays as it is',
};

export const actionSigns: Readonly<Record<Action, string>> = {
  create: '+',
  update: '~',
  restart: '!',
  replace: '±',
  delete: '-',
  noop: ' ',
};
