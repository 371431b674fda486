import { failure, problem, success, type Diagnostic, type Result } from '../model/diagnostic.ts';
import type { CollectiveStep, Operation, OwnStep } from '../model/operation.ts';

/** An operation with its place in the batch. Indexes count over the whole batch, in the order of the requests. */
export interface Placed<Step = OwnStep | CollectiveStep> {
  readonly index: number;
  readonly operation: Operation;
  readonly step: Step;
  /** Indexes of the operations it waits for. */
  readonly needs: readonly number[];
  /** 0 for those that wait for nothing, else one more than the highest of what they need or come after. */
  readonly level: number;
}

/** What the script runs one after the other. */
export type Turn =
  | { readonly kind: 'own'; readonly member: Placed<OwnStep>; readonly firstUpload: number }
  | { readonly kind: 'collective'; readonly members: readonly Placed<CollectiveStep>[] };

export interface Order {
  /** By index. */
  readonly operations: readonly Placed[];
  readonly turns: readonly Turn[];
}

/** Whether one caller's operations make sense by themselves: ids unique, no circle among what they wait for. */
export function checkOperations(operations: readonly Operation[]): Result<void> {
  const ids = new Set<string>();
  const diagnostics: Diagnostic[] = [];
  for (const { id } of operations) {
    if (ids.has(id)) diagnostics.push(problem('operation-repeated', `two operations are called "${id}"`));
    ids.add(id);
  }
  if (diagnostics.length > 0) return failure(...diagnostics);
  const { stuck } = levelsOf(operations);
  if (stuck.length === 0) return success(undefined);
  return failure(
    problem('operation-circle', `operations wait for each other: ${stuck.map((id) => `"${id}"`).join(', ')}`),
  );
}

/**
 * Puts the operations of several callers in one order: level by level, in the order asked. Needs are looked up among the
 * caller's own operations, so that callers cannot entangle each other. Each request must have passed `checkOperations`.
 */
export function orderOperations(requests: readonly (readonly Operation[])[]): Order {
  const operations: Placed[] = [];
  for (const request of requests) {
    const first = operations.length;
    const positions = new Map(request.map(({ id }, position) => [id, position]));
    const { levels } = levelsOf(request);
    request.forEach((operation, position) => {
      const needs = [...new Set(operation.needs)].flatMap((id) => {
        const needed = positions.get(id);
        return needed === undefined ? [] : [first + needed];
      });
      const level = levels[position] ?? 0;
      operations.push({ index: first + position, operation, step: operation.step, needs, level });
    });
  }
  const sorted = [...operations].sort((a, b) => a.level - b.level || a.index - b.index);
  const turns = turnsOf(sorted);
  for (const turn of turns) if (turn.kind === 'own') operations[turn.member.index] = turn.member;
  return { operations, turns };
}

function turnsOf(sorted: readonly Placed[]): Turn[] {
  const turns: Turn[] = [];
  const groups = new Map<string, Placed<CollectiveStep>[]>();
  const sent = new Map<string, number>();
  let firstUpload = 0;
  for (const placed of sorted) {
    const { step } = placed;
    if (step.kind === 'own') {
      const member = sentOnce({ ...placed, step }, sent);
      turns.push({ kind: 'own', member, firstUpload });
      firstUpload += member.step.uploads?.length ?? 0;
      continue;
    }
    const member = { ...placed, step };
    // Two bodies under one name are two steps: neither caller's text may stand in for the other's.
    const key = JSON.stringify([placed.level, step.name, step.body.text]);
    const group = groups.get(key);
    if (group) {
      group.push(member);
    } else {
      const members = [member];
      groups.set(key, members);
      turns.push({ kind: 'collective', members });
    }
  }
  return turns;
}

/**
 * The same bytes for the same step text travel once per batch, however many guests want them: the first operation receives
 * them, the others wait for it and find the file in its place.
 */
function sentOnce(member: Placed<OwnStep>, sent: Map<string, number>): Placed<OwnStep> {
  const { uploads, ...step } = member.step;
  if (uploads === undefined || uploads.length === 0) return member;
  const key = JSON.stringify([step.body.text, uploads.map(({ sha256, bytes }) => [sha256, bytes])]);
  const first = sent.get(key);
  if (first === undefined) {
    sent.set(key, member.index);
    return member;
  }
  return { ...member, step, needs: [...member.needs, first] };
}

/** Levels by position; `stuck` are the ids on or behind a circle. */
function levelsOf(operations: readonly Operation[]): { levels: number[]; stuck: string[] } {
  const positions = new Map(operations.map(({ id }, position) => [id, position]));
  const waits = operations.map(
    ({ needs, after = [] }) =>
      new Set(
        [...needs, ...after].map((id) => positions.get(id)).filter((position) => position !== undefined),
      ),
  );
  const dependents = operations.map((): number[] => []);
  waits.forEach((needs, position) => {
    for (const needed of needs) dependents[needed]?.push(position);
  });
  const open = waits.map((needs) => needs.size);
  const levels = operations.map(() => 0);
  const ready = open.flatMap((count, position) => (count === 0 ? [position] : []));
  for (const position of ready) {
    for (const dependent of dependents[position] ?? []) {
      levels[dependent] = Math.max(levels[dependent] ?? 0, (levels[position] ?? 0) + 1);
      open[dependent] = (open[dependent] ?? 0) - 1;
      if (open[dependent] === 0) ready.push(dependent);
    }
  }
  const stuck = operations.filter((_, position) => (open[position] ?? 0) > 0).map(({ id }) => id);
  return { levels, stuck };
}
