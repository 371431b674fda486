import { z } from 'zod';
import { basisDifferences, type ChangedObject, digestOf, operationsDigest } from '../engine/basis.ts';
import { type Address, describeAddress } from '../model/address.ts';
import { type Diagnostic, failure, problem, type Result, success } from '../model/diagnostic.ts';
import type { Definitions } from '../spec/definitions.ts';
import type { FleetPlan, PlannedHost } from './planning.ts';

const heading = 'stockade-plan 1';
const text = z.string().max(4096);

const savedSchema = z.strictObject({
  format: z.literal(heading),
  fleet: text,
  /** RFC 3339, by the clock of the machine that planned. */
  madeAt: text,
  /** How the plan was asked for: it is planned again in the same way. */
  request: z.strictObject({
    files: z.array(text),
    limit: z.array(text),
    exclude: z.array(text),
    destroy: z.boolean(),
  }),
  definitions: text,
  hosts: z.array(
    z.strictObject({
      host: text,
      changes: z.array(
        z.strictObject({
          kind: z.enum(['host', 'qemu-users', 'guest']),
          host: text,
          name: text,
          action: z.enum(['create', 'update', 'restart', 'replace', 'delete']),
        }),
      ),
      basis: z.record(text, text),
      operations: text,
    }),
  ),
});

/** How a plan was asked for. */
export type PlanRequest = z.output<typeof savedSchema>['request'];

/**
 * A plan on file: what it changes, what that rests on, and digests. Neither steps nor secrets are in it: who applies it plans again and
 * compares. The digests tell what moved, not who wrote the file: whoever can write it may name other definitions, limits, or ask for all to be
 * destroyed.
 */
export type SavedPlan = z.output<typeof savedSchema>;

export function savedPlan(
  plan: FleetPlan,
  definitions: Definitions,
  request: PlanRequest,
  madeAt: string,
): SavedPlan {
  return {
    format: heading,
    fleet: plan.fleet,
    madeAt,
    request,
    definitions: definitionsDigest(definitions),
    hosts: plan.hosts.flatMap((host) => {
      const changes = changesOf(host);
      if (changes.length === 0) return [];
      const { basis } = host;
      return [{ host: host.host, changes, basis, operations: operationsDigest(host.operations) }];
    }),
  };
}

function changesOf({ changes }: PlannedHost) {
  return changes.flatMap(({ address, action }) => (action === 'noop' ? [] : [{ ...address, action }]));
}

export function parseSavedPlan(content: string, file: string): Result<SavedPlan> {
  const unreadable = (why: string) =>
    failure<SavedPlan>(
      problem('plan-unreadable', `${file} is not a plan that can be applied: ${why}`, {
        hint: 'Make it anew: stockade plan --out FILE.',
      }),
    );
  let json: unknown;
  try {
    json = JSON.parse(content);
  } catch {
    return unreadable('it is not JSON');
  }
  const parsed = savedSchema.safeParse(json);
  if (parsed.success) return success(parsed.data);
  const [issue] = parsed.error.issues;
  return unreadable(`${issue?.path.map(String).join('.') ?? ''}: ${issue?.message ?? ''}`);
}

/** Equal definitions, equal digest, whatever files they are spread over. Secrets are not part of it: another key opens the same host. */
export function definitionsDigest({ fleet, hosts, users, guests }: Definitions): string {
  const inventory = Object.entries(fleet.hosts).map(([name, entry]) => {
    const { privateKey: _key, passphrase: _passphrase, ...rest } = entry;
    return [name, rest];
  });
  return digestOf([fleet.fleet, inventory, hosts, users, guests]);
}

/**
 * The part of a new plan that a saved one is about, or why the saved one no longer holds: other definitions, or hosts on which something
 * that it rests on is not as it was. What would be changed beside it by now is left out.
 */
export function asSaved(saved: SavedPlan, anew: FleetPlan, definitions: Definitions): Result<FleetPlan> {
  const faults: Diagnostic[] = [];
  if (saved.fleet !== anew.fleet) {
    faults.push(moved(`it is of fleet ${saved.fleet}, and the definitions are of ${anew.fleet}`));
  } else if (saved.definitions !== definitionsDigest(definitions)) {
    faults.push(moved('the definitions were changed since it was made'));
  }
  const concerned = new Set(saved.hosts.map(({ host }) => host));
  const failed = anew.failures.filter(({ host }) => concerned.has(host));
  faults.push(...failed.flatMap(({ diagnostics }) => diagnostics));
  const hosts: PlannedHost[] = [];
  for (const one of faults.length > 0 ? [] : saved.hosts) {
    const now = anew.hosts.find(({ host }) => host === one.host);
    const checked = now === undefined ? failure<PlannedHost>(notThere(one.host)) : sameHost(one, now);
    if (checked.ok) hosts.push(checked.value);
    else faults.push(...checked.diagnostics);
  }
  return faults.length > 0 ? failure(...faults) : success({ ...anew, hosts, failures: [] });
}

function sameHost(saved: SavedPlan['hosts'][number], now: PlannedHost): Result<PlannedHost> {
  const wanted = new Set(saved.changes.map(describeAddress));
  const isWanted = (address: Address) => wanted.has(describeAddress(address));
  const part = {
    ...now,
    changes: now.changes.filter(({ address, action }) => action !== 'noop' && isWanted(address)),
    operations: now.operations.filter(({ address }) => isWanted(address)),
  };
  const differences = basisDifferences(saved.basis, now.basis);
  if (differences.length > 0) {
    return failure(moved(`host ${now.host} is not as it was when it was made`, differences.join('\n')));
  }
  if (operationsDigest(part.operations) !== saved.operations) {
    return failure(
      moved(
        `other steps would be run on host ${now.host} by now`,
        'What they rest on looks the same: it was made by another version of Stockade, or user ids were taken meanwhile.',
      ),
    );
  }
  return success(part);
}

/** What a saved plan changes on a host: what is to be looked at again. */
export function savedChanges(saved: SavedPlan, host: string): readonly ChangedObject[] {
  const changes = saved.hosts.find((one) => one.host === host)?.changes ?? [];
  return changes.map(({ action, ...address }) => ({ address, action }));
}

function notThere(host: string): Diagnostic {
  return moved(`host ${host} is not in the inventory, or is silent`);
}

function moved(what: string, detail?: string): Diagnostic {
  return problem('plan-outdated', `the plan was not applied: ${what}`, {
    ...(detail === undefined ? {} : { detail }),
    hint: 'Plan again, look at what it says now, and apply that.',
  });
}
