import { chrootReference } from './attacks.ts';
import { headerOffsets, notRun } from './interpreter.ts';
import type { Observation, Probe, Stopper } from './probe.ts';
import type { ProbePlan, ProbeRun } from './runs.ts';
import { errorName, signalName } from './syscalls.ts';

/** How one probe ended. `unproven`: it was not stopped by anything that would not have stopped it without the jail too. */
export interface ProbeResult {
  readonly name: string;
  /** What was tried, for people. */
  readonly tries: string;
  readonly outcome: 'stopped' | 'got-through' | 'unproven';
  /** The layer that is to stop it. */
  readonly layer: Probe['layer'];
  /** The layer that did. */
  readonly stoppedBy?: Stopper;
  /** Name of the error or the signal, `success`, or `nothing` where there is no answer. */
  readonly observed: string;
  /** The same of the control; `undefined` where there was none. */
  readonly control?: string;
  /** Why it is unproven. */
  readonly reason?: string;
  /** Why it is no fault that it got through. */
  readonly accepted?: string;
}

/** What a run showed of one probe. */
type Sight =
  | { readonly kind: 'value'; readonly value: bigint }
  | { readonly kind: 'signal'; readonly signal: number }
  | { readonly kind: 'nothing'; readonly reason: string };

/** Errors that may as well mean that what was tried is not there at all: without a control they prove nothing. */
const ambiguous: readonly string[] = [
  ...['ENOENT', 'ECONNREFUSED', 'ENODEV', 'ENXIO', 'ENOSYS', 'EINVAL', 'EBADF', 'ENOTDIR'],
  ...['EAFNOSUPPORT', 'ESRCH', 'ENOMEM'],
];

/**
 * Reads what `probeStep` gave: one result per probe, in the order of the plan. Nothing of it is trusted: what cannot be read is
 * `unproven`. (A canary tells only of itself, and its code is ours; what else runs as its user cannot write to it.)
 */
export function parseProbeResults(
  plan: ProbePlan,
  values: Readonly<Record<string, string>>,
): readonly ProbeResult[] {
  const machine = values['machine'];
  const elsewhere =
    machine === undefined || machine === 'x86_64'
      ? undefined
      : 'probes are machine code of x86_64; this host is another machine';
  const runs = new Map(plan.runs.map((run) => [run.name, sightsOf(plan, run, values)]));
  const sight = (probe: Probe, jailed: boolean): Sight | undefined => {
    const run = plan.runs.find((each) => each.jailed === jailed && each.probes.includes(probe.name));
    return run === undefined ? undefined : runs.get(run.name)?.get(probe.name);
  };
  const judged = plan.probes
    .filter(({ name }) => plan.runs.some(({ jailed, probes }) => jailed && probes.includes(name)))
    .map((probe) => judge(probe, sight(probe, true), sight(probe, false), elsewhere));
  return [...withoutChroot(judged), ...leftOut(plan)];
}

function leftOut(plan: ProbePlan): readonly ProbeResult[] {
  return plan.left.map(({ probe, reason }) => {
    const { name, tries, layer } = probe;
    return { name, tries, layer, outcome: 'unproven', observed: 'nothing', reason };
  });
}

/** Where the chroot does not stop what it alone stops, an EACCES elsewhere is the work of who the process runs as. */
function withoutChroot(results: readonly ProbeResult[]): readonly ProbeResult[] {
  const reference = results.find(({ name }) => name === chrootReference);
  if (reference?.outcome !== 'got-through') return results;
  return results.map((result) =>
    result.stoppedBy === 'chroot' ? { ...result, stoppedBy: 'user' as const } : result,
  );
}

function sightsOf(
  plan: ProbePlan,
  run: ProbeRun,
  values: Readonly<Record<string, string>>,
): ReadonlyMap<string, Sight> {
  const end = values[`${run.name}.end`] ?? '';
  const all = (sight: Sight) => new Map(run.probes.map((name) => [name, sight]));
  const signal = /^signal (\d{1,2})$/.exec(end)?.[1];
  if (signal !== undefined) {
    const [only, ...others] = plan.probes.filter(({ name }) => run.probes.includes(name));
    return only?.alone === true && others.length === 0
      ? all({ kind: 'signal', signal: Number(signal) })
      : all({ kind: 'nothing', reason: `the process was ended by ${signalName(Number(signal))} meanwhile` });
  }
  if (end !== 'done') return all({ kind: 'nothing', reason: reasonOf(end) });
  const answers = decode(values[`${run.name}.answers`], plan.program.answerBytes);
  if (answers === undefined) return all({ kind: 'nothing', reason: 'its answers could not be read' });
  const places = new Map(plan.probes.map((probe, index) => [probe.name, plan.program.places[index]]));
  return new Map(
    run.probes.map((name): [string, Sight] => {
      const value = answers.getBigInt64(places.get(name)?.decides ?? headerOffsets.done, true);
      return value === notRun
        ? [name, { kind: 'nothing', reason: 'it was not run' }]
        : [name, { kind: 'value', value }];
    }),
  );
}

function reasonOf(end: string): string {
  if (end.startsWith('sealed')) {
    const said = end
      .slice('sealed '.length)
      .replace(/[^\x20-\x7e]/g, '?')
      .slice(0, 200);
    return `this host does not let root write to the memory of a process: ${said}`;
  }
  switch (end) {
    case 'not-started':
      return 'the process did not start';
    case 'busy':
      return 'the process did not come to wait in its main loop';
    case 'stuck':
      return 'the process did not come to its end';
    case '':
      return 'nothing is known of the process';
    default:
      return 'the process ended by itself';
  }
}

/** Header and results; `undefined` unless they are whole and the program says that it came to its end. */
function decode(text: string | undefined, bytes: number): DataView | undefined {
  if (text === undefined || !/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return undefined;
  const content = Uint8Array.from(Buffer.from(text, 'base64'));
  if (content.length !== bytes) return undefined;
  const view = new DataView(content.buffer);
  return view.getBigInt64(headerOffsets.done, true) === 1n ? view : undefined;
}

interface Verdict {
  readonly outcome: 'stopped' | 'got-through' | 'unknown';
  readonly observed: string;
  readonly stoppedBy?: Stopper;
}

function judge(
  probe: Probe,
  jailed: Sight | undefined,
  control: Sight | undefined,
  elsewhere: string | undefined,
): ProbeResult {
  const { name, tries, layer, accepted } = probe;
  const verdict = verdictOf(probe, jailed);
  const free = control === undefined ? undefined : verdictOf(probe, control);
  const base = {
    name,
    tries,
    layer,
    observed: verdict.observed,
    ...(free === undefined ? {} : { control: free.observed }),
  };
  if (verdict.outcome === 'got-through') {
    return { ...base, outcome: 'got-through', ...(accepted === undefined ? {} : { accepted }) };
  }
  const reason = elsewhere ?? doubt(verdict, free, jailed, control);
  if (reason !== undefined) return { ...base, outcome: 'unproven', reason };
  return { ...base, outcome: 'stopped', stoppedBy: verdict.stoppedBy ?? layer };
}

/** Why a probe that did not get through is not shown to have been stopped by the jail. */
function doubt(
  verdict: Verdict,
  free: Verdict | undefined,
  jailed: Sight | undefined,
  control: Sight | undefined,
): string | undefined {
  if (jailed === undefined) return 'it was not run';
  if (jailed.kind === 'nothing') return jailed.reason;
  if (verdict.outcome === 'unknown') return `${verdict.observed} says nothing about a layer`;
  if (free === undefined) {
    return ambiguous.includes(verdict.observed)
      ? `${verdict.observed} may also mean that there is nothing of that kind: a control would tell`
      : undefined;
  }
  if (control?.kind === 'nothing') return `the control told nothing: ${control.reason}`;
  return free.outcome === 'got-through'
    ? undefined
    : `it does not get through without the jail either (${free.observed})`;
}

function verdictOf(probe: Probe, sight: Sight | undefined): Verdict {
  if (sight === undefined || sight.kind === 'nothing') return { outcome: 'unknown', observed: 'nothing' };
  const observed =
    sight.kind === 'signal'
      ? signalName(sight.signal)
      : sight.value < 0n
        ? errorName(Number(-sight.value))
        : 'success';
  const stopper = probe.stoppedBy[observed as Observation];
  if (stopper !== undefined) return { outcome: 'stopped', observed, stoppedBy: stopper };
  if (sight.kind === 'signal') return { outcome: 'unknown', observed };
  if (sight.value >= 0n && (probe.success === undefined || probe.success === sight.value)) {
    return { outcome: 'got-through', observed };
  }
  if (sight.value >= 0n)
    return { outcome: 'stopped', observed: `still ${sight.value}`, stoppedBy: probe.layer };
  const past =
    probe.through === 'any' || (probe.through as readonly string[] | undefined)?.includes(observed);
  return { outcome: past === true ? 'got-through' : 'unknown', observed };
}
