import { readFile } from 'node:fs/promises';
import { Command } from 'commander';
import { openJournal } from '../../executor/journal.ts';
import { caution, problem } from '../../model/diagnostic.ts';
import { fileTrouble } from '../../model/system-error.ts';
import type { Definitions } from '../../spec/definitions.ts';
import type { ApplyOutcome } from '../applying.ts';
import { placed } from '../definitions.ts';
import { exitCodes } from '../exit-codes.ts';
import { apply, type Link, openLink, plan, type PlanOptions } from '../library.ts';
import type { FleetPlan } from '../planning.ts';
import { asSaved, parseSavedPlan, type SavedPlan } from '../saved-plan.ts';
import { humanOutcome } from '../views/outcome-human.ts';
import { humanPlan } from '../views/plan-human.ts';
import { jsonPlan } from '../views/plan-json.ts';
import { jsonProgress, lineProgress, type Progress, terminalProgress } from '../views/progress.ts';
import { outcomeJson } from '../views/outcome-json.ts';
import { type PlanReport, reportOf } from '../views/report.ts';
import { type Context, definitionsOf, fail, resultOf, type SelectOptions, withSelection } from './common.ts';

interface ApplyCommandOptions extends SelectOptions {
  readonly yes: boolean;
  readonly json: boolean;
}

export function applyCommand(context: Context): Command {
  return withSelection(
    new Command('apply')
      .description('bring hosts and guests to what the definitions say, and prove it')
      .argument('[planfile]', 'a plan that `stockade plan --out` has saved: exactly that is applied'),
  )
    .option('-y, --yes', 'do not ask', false)
    .option('--json', 'plan, events and outcome as JSON lines', false)
    .action((file: string | undefined, options: ApplyCommandOptions) =>
      file === undefined ? applyAnew(context, options, false) : applySaved(context, file, options),
    );
}

export function destroyCommand(context: Context): Command {
  return withSelection(
    new Command('destroy').description(
      'take away all that this fleet owns on its hosts, or a part of it (--limit)',
    ),
  )
    .option('-y, --yes', 'do not ask', false)
    .option('--json', 'plan, events and outcome as JSON lines', false)
    .action((options: ApplyCommandOptions) => applyAnew(context, options, true));
}

async function applyAnew(context: Context, options: ApplyCommandOptions, destroy: boolean): Promise<void> {
  const definitions = definitionsOf(context, options.file);
  if (definitions === undefined) return;
  await planAndApply(context, definitions, { ...options, destroy }, options);
}

async function applySaved(context: Context, file: string, options: ApplyCommandOptions): Promise<void> {
  let content: string;
  try {
    content = await readFile(file, 'utf8');
  } catch (error) {
    fail(context, [problem('plan-unreadable', `${file} could not be read: ${fileTrouble(error)}`)]);
    return;
  }
  if (options.limit.length + options.exclude.length > 0) {
    fail(context, [
      problem('plan-limited', 'a saved plan is applied as a whole: --limit and --exclude belong to plan', {
        hint: 'Make the plan with them.',
      }),
    ]);
    return;
  }
  const saved = resultOf(context, parseSavedPlan(content, file));
  if (saved === undefined) return;
  const { files, ...request } = saved.request;
  const definitions = definitionsOf(context, options.file ?? files);
  if (definitions === undefined) return;
  await planAndApply(context, definitions, { ...options, ...request, saved }, options);
}

async function planAndApply(
  context: Context,
  definitions: Definitions,
  request: PlanOptions & { readonly saved?: SavedPlan },
  options: ApplyCommandOptions,
): Promise<void> {
  const link = openLink(definitions.fleet.fleet);
  try {
    const anew = resultOf(context, await plan(definitions, { ...request, link }));
    if (anew === undefined) return;
    const { saved } = request;
    const planned = saved === undefined ? anew : resultOf(context, asSaved(saved, anew, definitions));
    if (planned === undefined) return;
    const report = reportOf(planned);
    if (options.json) context.console.print(jsonPlan(report));
    else context.console.print(humanPlan(report, context.console.style, { details: false }));
    context.console.diagnostics(placed(definitions, [...report.warnings, ...report.failures]));
    if (report.failures.length > 0) {
      context.console.note('Nothing was done: leave these hosts out (--exclude), or put them right.\n');
      context.end(exitCodes.failed);
      return;
    }
    if (!report.changes || !(await agreed(context, report, options))) return;
    const outcome = await carryOut(context, { definitions, planned, link }, options);
    conclude(context, definitions, outcome, options);
  } finally {
    await link.close();
  }
}

/** Asks, unless it was told not to. Who cannot be asked has not agreed. */
async function agreed(
  context: Context,
  report: PlanReport,
  { yes, json }: ApplyCommandOptions,
): Promise<boolean> {
  const { console } = context;
  if (yes) return true;
  if (!console.canAsk || json) {
    fail(context, [
      problem('not-agreed', 'nothing was done: there is nobody to ask whether to go on', {
        hint: 'Say --yes, or apply a saved plan with --yes.',
      }),
    ]);
    return false;
  }
  for (;;) {
    const answer = (await console.ask('Apply this? [y/N/d for details] '))?.toLowerCase();
    if (answer === 'y' || answer === 'yes') return true;
    if (answer !== 'd' && answer !== 'details') break;
    console.print(humanPlan(report, console.style, { details: true }));
  }
  console.note('Nothing was done.\n');
  context.end(exitCodes.failed);
  return false;
}

interface Job {
  readonly definitions: Definitions;
  readonly planned: FleetPlan;
  readonly link: Link;
}

async function carryOut(
  context: Context,
  { definitions, planned, link }: Job,
  options: ApplyCommandOptions,
): Promise<ApplyOutcome> {
  const { console } = context;
  const journal = openJournal(definitions.fleet.eventsFile ?? 'stockade-events.jsonl');
  const progress = progressFor(context, planned, options);
  const stopper = new AbortController();
  const listening = context.onInterrupt(() => {
    if (stopper.signal.aborted) process.exit(exitCodes.interrupted);
    stopper.abort();
    progress.stopping();
  });
  link.listen((event) => {
    progress.event(event);
    if (journal.ok) journal.value.sink(event);
  });
  try {
    return await apply(planned, {
      ...{ link, parallelism: options.parallelism, signal: stopper.signal },
      onHostDone: () => progress.hostDone(),
    });
  } finally {
    listening();
    progress.end();
    const trouble = journal.ok ? journal.value.trouble() : journal.diagnostics[0]?.summary;
    if (trouble !== undefined) console.diagnostics([caution('no-events-file', trouble)]);
    if (journal.ok) journal.value.close();
  }
}

function progressFor({ console, now }: Context, planned: FleetPlan, { json }: ApplyCommandOptions): Progress {
  if (json) return jsonProgress((text) => console.print(text));
  const options = { write: (text: string) => console.note(text), style: console.errorStyle, now };
  return console.watched ? terminalProgress(planned, options) : lineProgress(planned, options);
}

function conclude(
  { console, end }: Context,
  definitions: Definitions,
  outcome: ApplyOutcome,
  { json }: ApplyCommandOptions,
): void {
  console.diagnostics(
    placed(
      definitions,
      outcome.hosts.flatMap(({ diagnostics }) => diagnostics),
    ),
  );
  console.print(json ? outcomeJson(outcome) : humanOutcome(outcome, console.style));
  if (!outcome.ok) end(outcome.stopped ? exitCodes.interrupted : exitCodes.failed);
}
