import { Command, Option } from 'commander';
import { problem } from '../../model/diagnostic.ts';
import type { Definitions } from '../../spec/definitions.ts';
import { placed } from '../definitions.ts';
import { exitCodes } from '../exit-codes.ts';
import { type Link, openLink, plan } from '../library.ts';
import type { FleetPlan } from '../planning.ts';
import { savedPlan } from '../saved-plan.ts';
import { jsonPlan } from '../views/plan-json.ts';
import { humanPlan } from '../views/plan-human.ts';
import { markdownPlan } from '../views/plan-markdown.ts';
import { type PlanReport, reportOf } from '../views/report.ts';
import { terminalText } from '../views/escape.ts';
import {
  type Context,
  defaultFile,
  definitionsOf,
  fail,
  resultOf,
  type SelectOptions,
  withSelection,
} from './common.ts';
import { writeFileFor } from './write-file.ts';

interface PlanCommandOptions extends SelectOptions {
  readonly json?: true | string;
  readonly markdown?: string;
  readonly out?: string;
  readonly script?: string;
  readonly details: boolean;
  readonly destroy: boolean;
  readonly detailedExitcode: boolean;
}

export function planCommand(context: Context): Command {
  return withSelection(new Command('plan').description('show what apply would change, and change nothing'))
    .option('--details', 'every reason of every change', false)
    .option('--destroy', 'plan to take everything away', false)
    .option('--json [file]', 'the plan as JSON: in place of text, or into a file')
    .option('--markdown <file>', 'the plan for a comment on a pull request, into a file')
    .option('--out <file>', 'save the plan, for `stockade apply FILE`')
    .option('--script <host>', 'print the script that would run on a host, and nothing else')
    .addOption(new Option('--detailed-exitcode', 'end with 2 if there is something to do').default(false))
    .action((options: PlanCommandOptions) => runPlan(context, options));
}

async function runPlan(context: Context, options: PlanCommandOptions): Promise<void> {
  const definitions = definitionsOf(context, options.file);
  if (definitions === undefined) return;
  const link = openLink(definitions.fleet.fleet);
  try {
    const planned = resultOf(context, await plan(definitions, { ...options, link }));
    if (planned === undefined) return;
    const report = reportOf(planned);
    if (options.script === undefined) showPlan(context, report, options);
    else showScript(context, planned, options.script, link);
    context.console.diagnostics(placed(definitions, [...report.warnings, ...report.failures]));
    await writeViews(context, { definitions, planned, report }, options);
    if (report.failures.length > 0) context.end(exitCodes.failed);
    else if (options.detailedExitcode && report.changes) context.end(exitCodes.attention);
  } finally {
    await link.close();
  }
}

function showPlan({ console }: Context, report: PlanReport, { json, details }: PlanCommandOptions): void {
  if (json === true) console.print(jsonPlan(report));
  else console.print(humanPlan(report, console.style, { details }));
}

/** What a definition says may be in it: for a terminal control characters are shown, in a pipe it is as it would run. */
function showScript(context: Context, { hosts }: FleetPlan, host: string, link: Link): void {
  const planned = hosts.find((one) => one.host === host);
  if (planned === undefined) {
    fail(context, [
      problem('host-unknown', `no plan was made for host ${JSON.stringify(host)}`, {
        hint: `These have one: ${hosts.map((one) => one.host).join(', ')}.`,
      }),
    ]);
  } else if (planned.operations.length === 0) context.console.note(`Nothing is to be done on ${host}.\n`);
  else {
    const text = link.hosts.script(planned.target, planned.operations);
    context.console.print(context.console.printsToTerminal ? terminalText(text) : text);
  }
}

async function writeViews(
  context: Context,
  { definitions, planned, report }: { definitions: Definitions; planned: FleetPlan; report: PlanReport },
  { json, markdown, out, file, limit, exclude, destroy }: PlanCommandOptions,
): Promise<void> {
  if (typeof json === 'string') await writeFileFor(context, json, jsonPlan(report));
  if (markdown !== undefined) await writeFileFor(context, markdown, markdownPlan(report));
  if (out === undefined) return;
  if (report.failures.length > 0) {
    context.console.note('The plan was not saved: not every host could be planned.\n');
    return;
  }
  const request = { files: [...(file ?? [defaultFile])], limit: [...limit], exclude: [...exclude], destroy };
  const saved = savedPlan(planned, definitions, request, new Date(context.now()).toISOString());
  await writeFileFor(context, out, `${JSON.stringify(saved, null, 1)}\n`);
}
