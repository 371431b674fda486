import { Fleet } from '../executor/fleet.ts';
import type { ExecutorEvent } from '../executor/events.ts';
import { holderOf } from '../executor/holder.ts';
import { LocalFiles } from '../executor/local-files.ts';
import { targetOf } from '../executor/targets.ts';
import type { Address } from '../model/address.ts';
import { type Diagnostic, failure, problem, type Result, success } from '../model/diagnostic.ts';
import type { Definitions } from '../spec/definitions.ts';
import { type ApplyOutcome, applyHosts, type HostOutcome } from './applying.ts';
import { type HostEvidence, observeEvidence } from './evidence.ts';
import { expand } from './expand.ts';
import { observeFacts, type SeenHost } from './facts.ts';
import { type Fragment, importedDefinition } from './importing.ts';
import { type FleetPlan, planIntents } from './planning.ts';
import { type ProbedHost, probeHosts, probesNotRun } from './probing.ts';
import { type SavedPlan, savedChanges } from './saved-plan.ts';
import { idlePatterns, type Selection, selectionOf } from './selection.ts';

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
  const probes = destroy ? [] : probesNotRun(definitions, selection.value);
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
    return success(planned, [...idlePatterns([...limit, ...exclude], definitions), ...probes]);
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

/**
 * What the live processes of a fleet's guests show of their isolation, by host. Patterns that select no guest at all are an error: they
 * prove nothing.
 */
export async function evidence(
  definitions: Definitions,
  options: CommonOptions = {},
): Promise<Result<readonly HostEvidence[]>> {
  const { limit = [], exclude = [] } = options;
  const selection = selectionOf(limit, exclude);
  if (!selection.ok) return selection;
  const seen = await ofSelected(definitions, options, observeEvidence);
  if (!seen.ok || limit.length + exclude.length === 0) return seen;
  const selected = seen.value.some(
    ({ host, guests, diagnostics }) =>
      guests.length > 0 || diagnostics.length > 0 || selection.value.wantsHost(host),
  );
  return selected ? seen : failure(...seen.warnings, nothingSelected());
}

function nothingSelected(): Diagnostic {
  return problem('nothing-selected', 'no guest is like these patterns: nothing was proven', {
    hint: 'See `stockade graph` for what there is.',
  });
}

/** Attacks canaries on each host, to see that it is the jail that stops what an attacker would try. Hosts must be prepared. */
export function probe(
  definitions: Definitions,
  options: CommonOptions = {},
): Promise<Result<readonly ProbedHost[]>> {
  return ofSelected(definitions, options, probeHosts);
}

/** What the hosts of a fleet are like, and what is on them. */
export function facts(
  definitions: Definitions,
  options: CommonOptions = {},
): Promise<Result<readonly SeenHost[]>> {
  return ofSelected(definitions, options, observeFacts);
}

/** How what is selected of a fleet is looked at. */
type Look<T> = (
  definitions: Definitions,
  selection: Selection,
  how: { readonly link: Fleet; readonly parallelism: number },
) => Promise<T>;

/** Looks at what the options select; patterns that name nothing are warnings. */
async function ofSelected<T>(
  definitions: Definitions,
  { limit = [], exclude = [], parallelism = defaultParallelism, link: given }: CommonOptions,
  look: Look<T>,
): Promise<Result<T>> {
  const selection = selectionOf(limit, exclude);
  if (!selection.ok) return selection;
  return linked(definitions.fleet.fleet, given, async ({ hosts: link }) =>
    success(
      await look(definitions, selection.value, { link, parallelism }),
      idlePatterns([...limit, ...exclude], definitions),
    ),
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
