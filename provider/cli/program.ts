import { Command, CommanderError } from 'commander';
import { applyCommand, destroyCommand } from './commands/apply.ts';
import type { Context } from './commands/common.ts';
import { completionCommand } from './commands/completion.ts';
import { evidenceCommand } from './commands/evidence.ts';
import { explainCommand } from './commands/explain.ts';
import { graphCommand } from './commands/graph.ts';
import { hostsCommand } from './commands/hosts.ts';
import { importCommand } from './commands/import.ts';
import { initCommand } from './commands/init.ts';
import { planCommand } from './commands/plan.ts';
import { schemaCommand } from './commands/schema.ts';
import { validateCommand } from './commands/validate.ts';
import { exitCodes } from './exit-codes.ts';

const makers = [
  ...[initCommand, validateCommand, planCommand, applyCommand, destroyCommand, evidenceCommand],
  ...[hostsCommand, importCommand, explainCommand, graphCommand, schemaCommand, completionCommand],
];

/** The command line: every command, none run yet. */
export function program(context: Context, version: string): Command {
  const { console } = context;
  const stockade = new Command('stockade')
    .description(
      'Sandboxed QEMU guests: defined in files, planned, applied over SSH, and proven from their live processes.',
    )
    .version(version);
  for (const make of makers) stockade.addCommand(make(context));
  for (const command of [stockade, ...stockade.commands]) {
    command
      .exitOverride()
      .showHelpAfterError('(--help shows what there is)')
      .configureOutput({ writeOut: (text) => console.print(text), writeErr: (text) => console.note(text) });
  }
  return stockade;
}

/** Runs one command line. Wrong usage has been told by then. */
export async function runProgram(
  stockade: Command,
  words: readonly string[],
  context: Context,
): Promise<void> {
  try {
    await stockade.parseAsync([...words], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode !== 0) context.end(exitCodes.failed);
  }
}
