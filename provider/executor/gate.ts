import type { HostSnapshot } from '../engine/snapshot.ts';
import { judgeGuest } from '../engine/verify.ts';
import { describeAddress } from '../model/address.ts';
import type { Clock } from '../model/clock.ts';
import { type Diagnostic, failure, problem, type Result, success } from '../model/diagnostic.ts';
import { printableLine } from '../model/printable.ts';
import { guestAddress } from '../resources/guest/desired.ts';
import { bounded } from './bounded.ts';

/** The guests of one host that a gate waits for. */
export interface GateHost {
  readonly host: string;
  /** Theirs; a guest of another one proves nothing. */
  readonly fleet: string;
  readonly guests: readonly { readonly name: string; readonly generation: number }[];
  /** The whole host anew, in one round trip. */
  readonly look: () => Promise<Result<HostSnapshot>>;
}

export interface GateOptions {
  /** The last look begins no later. */
  readonly timeoutSeconds: number;
  /** Ends the wait at once. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** Waits so long, or until the signal; it does not fail. */
  readonly pause: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  /** Told after each look that did not open it. */
  readonly onWait?: (problems: readonly Diagnostic[]) => void;
}

/** What one look at one host showed. */
interface View {
  readonly closed: number;
  readonly problems: readonly Diagnostic[];
  /** More looks will not mend it. */
  readonly final: boolean;
}

const hostsAtOnce = 32;
const shownProblems = 20;

/**
 * Waits until one look at all hosts shows every layer of every guest as asked for, which is when `stockade evidence` ends well. Each look
 * costs a host one round trip; the pauses between looks double, from 1 to 15 seconds.
 */
export async function waitForEvidence(
  hosts: readonly GateHost[],
  options: GateOptions,
): Promise<Result<undefined>> {
  const { timeoutSeconds, signal, clock, pause, onWait } = options;
  const deadline = clock.now() + timeoutSeconds * 1000;
  for (let looks = 1; ; looks++) {
    const views = await unlessAborted(bounded(hosts, hostsAtOnce, viewOf), signal);
    if (views === undefined) return failure(interrupted);
    const problems = views.flatMap((view) => view.problems);
    if (problems.length === 0) return success(undefined);
    onWait?.(problems);
    const left = deadline - clock.now();
    if (left <= 0 || views.some(({ final }) => final)) return failure(shut(hosts, views, timeoutSeconds));
    await pause(Math.min(pauseAfter(looks), left), signal);
    if (signal.aborted) return failure(interrupted);
  }
}

/** Between the look of that number (from 1) and the next one. */
function pauseAfter(looks: number): number {
  return Math.min(15_000, 1000 * 2 ** Math.min(looks - 1, 10));
}

/** For `GateOptions.pause`. */
export function pauseFor(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal.addEventListener('abort', end);
    if (signal.aborted) end();
  });
}

async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  if (signal.aborted) return undefined;
  let cancel = () => {};
  const aborted = new Promise<undefined>((resolve) => {
    cancel = () => resolve(undefined);
    signal.addEventListener('abort', cancel);
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', cancel);
  }
}

async function viewOf({ host, fleet, guests, look }: GateHost): Promise<View> {
  const seen = await look();
  if (!seen.ok) return { closed: guests.length, problems: seen.diagnostics, final: false };
  const moved = guests.filter(({ name, generation }) => {
    const found = seen.value.guests.get(name);
    return found?.owner === fleet && found.generation !== generation;
  });
  if (moved.length > 0) {
    return { closed: moved.length, problems: moved.map(({ name }) => changed(host, name)), final: true };
  }
  const judged = guests.map(({ name }) => judgeGuest(name, fleet, seen.value).problems);
  const closed = judged.filter((problems) => problems.length > 0).length;
  return { closed, problems: judged.flat(), final: false };
}

function changed(host: string, name: string): Diagnostic {
  const resource = describeAddress(guestAddress({ host, name }));
  return problem('record-moved', `${resource} was changed since the plan was made`, {
    ...{ host, resource },
    hint: 'Plan and apply again.',
  });
}

/** One error for all of it: what is not as asked for, and what to do. */
function shut(hosts: readonly GateHost[], views: readonly View[], timeoutSeconds: number): Diagnostic {
  const all = hosts.reduce((sum, { guests }) => sum + guests.length, 0);
  const closed = views.reduce((sum, view) => sum + view.closed, 0);
  const problems = views.flatMap((view) => view.problems);
  const waited = views.some(({ final }) => final) ? '' : ` within ${timeoutSeconds} s`;
  const lines = problems.slice(0, shownProblems).map(line);
  const more = problems.length - lines.length;
  const hints = [...new Set(problems.flatMap(({ hint }) => (hint === undefined ? [] : [hint])))];
  return problem(
    'gate-shut',
    `the gate stays shut: ${closed} of ${all} guests did not show the isolation they were asked for${waited}`,
    {
      detail: [...lines, ...(more > 0 ? [`… and ${more} more.`] : [])].join('\n'),
      hint: [...hints.slice(0, 3), 'What waits for the gate was left as it was.'].join(' '),
    },
  );
}

function line({ summary, detail }: Diagnostic): string {
  return printableLine(`${summary}${detail === undefined ? '' : `. ${detail}`}`);
}

const interrupted = problem('aborted', 'the gate was not waited for: Terraform was interrupted', {
  hint: 'Run it again: it looks anew.',
});
