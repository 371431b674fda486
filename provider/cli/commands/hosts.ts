import { Command } from 'commander';
import { placed } from '../definitions.ts';
import { exitCodes } from '../exit-codes.ts';
import { facts } from '../library.ts';
import { hostsJson, humanHosts } from '../views/hosts.ts';
import { type Context, definitionsOf, resultOf, type SelectOptions, withSelection } from './common.ts';

export function hostsCommand(context: Context): Command {
  return withSelection(
    new Command('hosts').description(
      'show what the hosts are: QEMU, kernel, what they can enforce, who owns which guest',
    ),
  )
    .option('--json', 'as JSON', false)
    .action(async (options: SelectOptions & { readonly json: boolean }) => {
      const definitions = definitionsOf(context, options.file);
      if (definitions === undefined) return;
      const seen = resultOf(context, await facts(definitions, options));
      if (seen === undefined) return;
      const { console, end } = context;
      console.print(options.json ? hostsJson(seen) : humanHosts(seen, console.style));
      const failures = seen.flatMap(({ diagnostics }) => diagnostics);
      console.diagnostics(placed(definitions, failures));
      if (failures.length > 0) end(exitCodes.failed);
    });
}
