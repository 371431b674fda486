/** What the share guest said of one step on one of its shares. */
export interface ShareStep {
  readonly tag: string;
  readonly step: string;
  readonly passed: boolean;
  /** The guest's own words, printable ASCII: the error's name first where a call failed. */
  readonly detail: string;
}

/** What the serial console of a share guest tells. Nothing in it is believed that is not said in full. */
export interface ShareReport {
  /** In the guest's order. Steps that were said twice differently are failures. */
  readonly steps: readonly ShareStep[];
  /** The guest said that it was done, and every line that it counted has arrived, once. */
  readonly complete: boolean;
  /** Why it is not complete; empty when it is. */
  readonly problem: string;
}

/** More than every task together prints; what is beyond is not looked at. */
const mostBytes = 4 * 1024 * 1024;
const mostSteps = 5000;

const line = /^SHARE ([A-Za-z0-9_-]{1,64}) ([a-z0-9-]{1,64}) (ok|fail) ([\x20-\x7e]{0,512})$/;
const end = /^SHARE-DONE ([0-9]{1,6})$/;

/** Reads the console of a guest, which may have printed anything. */
export function readShareReport(serial: Buffer): ShareReport {
  const text = serial.subarray(0, mostBytes).toString('latin1');
  const steps = new Map<string, ShareStep>();
  let repeated = false;
  let counted: number | undefined;
  for (const raw of text.split('\n').slice(0, -1)) {
    const said = raw.replace(/\r+$/, '');
    const over = end.exec(said);
    if (over !== null) {
      if (counted !== undefined) repeated = true;
      counted = Number(over[1]);
      continue;
    }
    const parts = line.exec(said);
    if (parts === null || steps.size >= mostSteps) continue;
    if (counted !== undefined) repeated = true;
    const [, tag = '', step = '', verdict, detail = ''] = parts;
    const key = `${tag} ${step}`;
    if (steps.has(key)) {
      repeated = true;
      steps.set(key, { tag, step, passed: false, detail: 'said more than once' });
    } else {
      steps.set(key, { tag, step, passed: verdict === 'ok', detail });
    }
  }
  const problem = whatIsWrong(steps.size, counted, repeated, serial.length > mostBytes);
  return { steps: [...steps.values()], complete: problem === '', problem };
}

function whatIsWrong(found: number, counted: number | undefined, repeated: boolean, cut: boolean): string {
  if (cut) return `the console has more than ${mostBytes} bytes`;
  if (counted === undefined) return 'the guest did not say that it was done';
  if (repeated) return 'lines are there more than once, or follow the last one';
  return counted === found ? '' : `the guest counted ${counted} lines, ${found} are there`;
}

/** A step that is not as expected, for people. */
export interface ShareDeparture {
  readonly step: string;
  readonly expected: string;
  readonly seen: string;
}

/**
 * Where a share departs from what is expected: all of `steps` pass, but for those in `failing`, which fail with that error (the
 * detail's first word). A step that is missing, or one that nobody expected, is a departure; so is an incomplete report.
 */
export function departures(
  report: ShareReport,
  tag: string,
  steps: readonly string[],
  failing: Readonly<Record<string, string>> = {},
): readonly ShareDeparture[] {
  const said = new Map(report.steps.filter((each) => each.tag === tag).map((each) => [each.step, each]));
  const names = [...new Set([...steps, ...Object.keys(failing), ...said.keys()])];
  const wrong = names.flatMap((step) => {
    const expected = expectation(steps, failing, step);
    const seen = seenAs(said.get(step));
    const matches = expected === 'ok' ? seen === 'ok' : seen.startsWith(`${expected} `);
    return matches ? [] : [{ step, expected, seen }];
  });
  return report.complete ? wrong : [{ step: '(all)', expected: 'complete', seen: report.problem }, ...wrong];
}

function expectation(
  steps: readonly string[],
  failing: Readonly<Record<string, string>>,
  step: string,
): string {
  if (Object.hasOwn(failing, step)) return `fail ${failing[step] ?? ''}`;
  return steps.includes(step) ? 'ok' : 'not there';
}

function seenAs(step: ShareStep | undefined): string {
  if (step === undefined) return 'not there';
  return step.passed ? 'ok' : `fail ${step.detail} `;
}

/** The figures of a step's detail (`tries=N hits=N`, `mib=N seconds=N`); only decimal numbers. */
export function figures(step: ShareStep | undefined): ReadonlyMap<string, number> {
  const found = [
    ...(step?.detail ?? '').matchAll(/(?:^| )([a-z]{1,20})=([0-9]{1,15}(?:\.[0-9]{1,6})?)(?= |$)/g),
  ];
  return new Map(found.map(([, name = '', value]) => [name, Number(value)]));
}

/** What a share went through in an escape. */
export interface EscapeCount {
  readonly step: string;
  readonly tries: number;
  readonly hits: number;
}

/** The counts of an escape's steps; one without both figures is not in it. */
export function escapeCounts(report: ShareReport, tag: string): readonly EscapeCount[] {
  return report.steps.flatMap((each) => {
    if (each.tag !== tag || !each.step.startsWith('escape-')) return [];
    const numbers = figures(each);
    const [tries, hits] = [numbers.get('tries'), numbers.get('hits')];
    return tries === undefined || hits === undefined ? [] : [{ step: each.step, tries, hits }];
  });
}
