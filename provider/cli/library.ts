import { Fleet } from '../executor/fleet.ts';
import type { ExecutorEvent } from '../executor/events.ts';
import { holderOf } from '../executor/holder.ts';
import { LocalFiles } from '../executor/local-files.ts';
import { targetOf } from '../executor/targets.ts';
import type { Address } from '../model/address.ts';
import { failure, problem, type Result, success } from '../model/diagnostic.ts';
import type { Definitions } from '../spec/definitions.ts';
import { type ApplyOutcome, applyHosts, type HostOutcome } from './applying.ts';
import { type HostEvidence, observeEvidence } from './evidence.ts';
import { expand } from './expand.ts';
import { observeFacts, type SeenHost } from './facts.ts';
import { type Fragment, importedDefinition } from './importing.ts';
import { type FleetPlan, planIntents } from './planning.ts';
import { type ProbedHost, probeHosts, probesNotRun } from './probing.ts';
import { type SavedPlan, savedChanges } from './saved-plan.ts';
import { idlePatterns, selectionOf } from './selection.ts';

/** How many hosts are worked on at the same time where nothing is said. */
export const defaultParallelism = 32;

/** The connections of one process with a fleet's hosts, shared by what is done one after the other. */
export interface Link {
  readonly hosts: Fleet;
  /** What becomes of every event of every host. */
  readonly listen: (sink: (event: ExecutorEvent) => void) => void;
  close(): Promise<void>;
}

/** Nothing is connected before it is used. */
export function openLink(fleet: string): Link {
  const sinks: ((event: ExecutorEvent) => void)[] = [];
  const hosts = new Fleet({
    holder: holderOf(fleet),
    sink: (event) => {
      for (const sink of sinks) sink(event);
    },
  });
  return { hosts, listen: (sink) => void sinks.push(sink), close: () => hosts.close() };
}

export interface CommonOptions {
  /** Patterns of hosts and guests: `hv1`, `web*`, `hv1/web?`. @default all */
  readonly limit?: readonly string[];
  /** Patterns of what is left out. @default none */
  readonly exclude?: readonly string[];
  /** Hosts at the same time. @default 32 */
  readonly parallelism?: number;
  /** Connections to go on using; whoever opened them closes them. @default connections of its own */
  readonly link?: Link;
}

export interface PlanOptions extends CommonOptions {
  /** Plans to take away all that is selected. @default false */
  readonly destroy?: boolean;
  /** Looks only at what this plan changes and rests on, so that the two can be compared (`asSaved`). */
  readonly saved?: SavedPlan;
}

/**
 * Observes all hosts, and says what would be changed to make them what the definitions say. Nothing is written anywhere. What belongs to
 * this fleet and is no longer defined goes. A host that cannot be planned is among `failures`; the others are planned all the same.
 */
export async function plan(definitions: Definitions, options: PlanOptions = {}): Promise<Result<FleetPlan>> {
  const { limit = [], exclude = [], parallelism = defaultParallelism, destroy = false, saved } = options;
  const selection = selectionOf(limit, exclude);
  if (!selection.ok) return selection;
  const intents = await expand(definitions, new LocalFiles(), { selection: selection.value, destroy });
  if (!intents.ok) return intents;
  const { fleet, unreachable } = definitions.fleet;
  const concerned = saved === undefined ? undefined : new Set(saved.hosts.map(({ host }) => host));
  const asked = intents.value.filter(({ target }) => concerned?.has(target.host) ?? true);
  return linked(fleet, options.link, async (link) => {
    const planned = await planIntents(asked, {
      ...{ fleet, unreachable, parallelism, link: link.hosts },
      ...(saved === undefined ? {} : { about: (host: string) => savedChanges(saved, host) }),
    });
    return success(planned, [
      ...idlePatterns([...limit, ...exclude], definitions),
      ...(destroy ? [] : probesNotRun(definitions)),
    ]);
  });
}

export interface ApplyOptions extends Pick<CommonOptions, 'parallelism' | 'link'> {
  /** From when it is aborted on, steps that run come to their end and no more are begun. */
  readonly signal?: AbortSignal;
  /** Called as each host is through. */
  readonly onHostDone?: (outcome: HostOutcome) => void;
}

/**
 * Carries a plan out, then judges the evidence of every guest that it started: one whose isolation does not hold is stopped. A host that
 * was changed since it was planned refuses the steps concerned.
 */
export function apply(planned: FleetPlan, options: ApplyOptions = {}): Promise<ApplyOutcome> {
  const { parallelism = defaultParallelism, link, ...rest } = options;
  return linked(planned.fleet, link, ({ hosts }) =>
    applyHosts(planned, { link: hosts, parallelism, ...rest }),
  );
}

/** What the live processes of a fleet's guests show of their isolation, by host. */
export async function evidence(
  definitions: Definitions,
  options: CommonOptions = {},
): Promise<Result<readonly HostEvidence[]>> {
  const { limit = [], exclude = [], parallelism = defaultParallelism } = options;
  const selection = selectionOf(limit, exclude);
  if (!selection.ok) return selection;
  return linked(definitions.fleet.fleet, options.link, async (link) =>
    success(await observeEvidence(definitions, selection.value, { link: link.hosts, parallelism })),
  );
}

/** Attacks canaries on each host, to see that it is the jail that stops what an attacker would try. Hosts must be prepared. */
export async function probe(
  definitions: Definitions,
  options: CommonOptions = {},
): Promise<Result<readonly ProbedHost[]>> {
  const { limit = [], exclude = [], parallelism = defaultParallelism } = options;
  const selection = selectionOf(limit, exclude);
  if (!selection.ok) return selection;
  return linked(definitions.fleet.fleet, options.link, async (link) =>
    success(await probeHosts(definitions, selection.value, { link: link.hosts, parallelism })),
  );
}

/** What the hosts of a fleet are like, and what is on them. */
export async function facts(
  definitions: Definitions,
  options: CommonOptions = {},
): Promise<Result<readonly SeenHost[]>> {
  const { limit = [], exclude = [], parallelism = defaultParallelism } = options;
  const selection = selectionOf(limit, exclude);
  if (!selection.ok) return selection;
  return linked(definitions.fleet.fleet, options.link, async (link) =>
    success(await observeFacts(definitions, selection.value, { link: link.hosts, parallelism })),
  );
}

/** The definition of what this fleet has on a host, from the host's record: to be put into the files. */
export async function importDefinition(
  definitions: Definitions,
  address: Address,
  options: Pick<CommonOptions, 'link'> = {},
): Promise<Result<Fragment>> {
  const { fleet, hosts } = definitions.fleet;
  const entry = hosts[address.host];
  if (entry === undefined) {
    return failure(
      problem('host-not-in-inventory', `host ${address.host} is not among the definitions`, {
        hint: 'Define the host first: how it is reached.',
      }),
    );
  }
  return linked(fleet, options.link, async (link) => {
    const seen = await link.hosts.observe(targetOf(address.host, entry));
    return seen.ok ? importedDefinition(address, fleet, seen.value) : seen;
  });
}

async function linked<T>(
  fleet: string,
  given: Link | undefined,
  work: (link: Link) => Promise<T>,
): Promise<T> {
  if (given !== undefined) return work(given);
  const own = openLink(fleet);
  try {
    return await work(own);
  } finally {
    await own.close();
  }
}
