import { Argument, Command } from 'commander';
import { type CompletedCommand, completionScript, type Shell, shells } from '../views/completion.ts';
import type { Context } from './common.ts';

export function completionCommand({ console }: Context): Command {
  const own = new Command('completion')
    .description('print a script that completes command lines: eval "$(stockade completion bash)"')
    .addArgument(new Argument('<shell>', 'the shell it is for').choices([...shells]));
  return own.action((shell: Shell) => console.print(completionScript(shell, commandsOf(own.parent ?? own))));
}

function commandsOf(program: Command): readonly CompletedCommand[] {
  return program.commands.map((command) => ({
    name: command.name(),
    description: command.description(),
    options: command.options.flatMap(({ long, description }) =>
      long === null || long === undefined ? [] : [{ name: long, description }],
    ),
  }));
}
