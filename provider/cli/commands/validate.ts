import { Command } from 'commander';
import { LocalFiles } from '../../executor/local-files.ts';
import { counted } from '../../model/counted.ts';
import { expand } from '../expand.ts';
import { everything } from '../selection.ts';
import { type Context, definitionsOf, type FileOptions, resultOf, withFiles } from './common.ts';

export function validateCommand(context: Context): Command {
  return withFiles(
    new Command('validate').description(
      'check definitions and the files they name, without a look at any host',
    ),
  ).action(async (options: FileOptions) => {
    const definitions = definitionsOf(context, options.file);
    if (definitions === undefined) return;
    const expanded = resultOf(
      context,
      await expand(definitions, new LocalFiles(), { selection: everything }),
    );
    if (expanded === undefined) return;
    const { hosts, users, guests } = definitions;
    context.console.print(
      `Valid: ${counted(hosts.length, 'host')}, ${counted(users.length, 'set of users', 'sets of users')}, ${counted(guests.length, 'guest')}.\n`,
    );
  });
}
