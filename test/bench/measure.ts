/** One way of doing the same work, measured several times. */
export interface Series {
  readonly name: string;
  /** Names it for `verdicts`. */
  readonly key?: string;
  /** Milliseconds, one per run. */
  readonly runs: readonly number[];
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = Math.floor(sorted.length / 2);
  const [low, high] = [sorted[Math.ceil(sorted.length / 2) - 1], sorted[middle]];
  if (low === undefined || high === undefined) throw new Error('no runs to take the median of');
  return (low + high) / 2;
}

export async function timed(work: () => Promise<void>): Promise<number> {
  const start = process.hrtime.bigint();
  await work();
  return Number(process.hrtime.bigint() - start) / 1e6;
}

/** A table with one row per series: median, range, and how often the first series fits into it. */
export function table(title: string, series: readonly Series[]): string {
  const [first] = series;
  if (first === undefined) throw new Error('nothing to show');
  const base = median(first.runs);
  const rows = series.map(({ name, runs }) => [
    name,
    `${median(runs).toFixed(0)} ms`,
    `${Math.min(...runs).toFixed(0)} to ${Math.max(...runs).toFixed(0)}`,
    String(runs.length),
    `${(median(runs) / base).toFixed(2)}`,
  ]);
  const head = ['', 'median', 'range', 'runs', `of ${first.name}`];
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ');
  return [`## ${title}`, line(head), ...rows.map(line), ''].join('\n');
}

/** Where the time went: the median of each phase over the runs, in the order in which they come. */
export function phaseTable(title: string, runs: readonly ReadonlyMap<string, number>[]): string {
  const names = [...new Set(runs.flatMap((run) => [...run.keys()]))];
  const times = names.map((name) => `${name} ${median(runs.map((run) => run.get(name) ?? 0)).toFixed(0)}`);
  return `${title}, ms: ${times.join(', ')}`;
}

/** How much the core may take of what each neighbour takes. */
const targets = { shell: 1.5, libvirt: 1 / 4, ansible: 1 / 10 } as const;

/** Each target, and whether it was met. */
export function verdicts(series: readonly Series[]): readonly string[] {
  const times = new Map(series.map(({ key, runs }) => [key, median(runs)]));
  const core = times.get('core');
  if (core === undefined) return [];
  return Object.entries(targets).flatMap(([key, share]) => {
    const other = times.get(key);
    if (other === undefined) return [];
    const ratio = core / other;
    const [shown, wanted] =
      share >= 1
        ? [`${ratio.toFixed(2)} times the time of`, `at most ${share}`]
        : [`${(1 / ratio).toFixed(1)} times as fast as`, `at least ${1 / share}`];
    const met = ratio <= share ? 'met' : `MISSED by ${((ratio / share - 1) * 100).toFixed(0)} %`;
    return [`target: ${shown} ${key}; ${wanted}: ${met}`];
  });
}
