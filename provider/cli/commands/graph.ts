import { Command, Option } from 'commander';
import { dotGraph, textGraph } from '../views/graph.ts';
import { type Context, definitionsOf, type FileOptions, withFiles } from './common.ts';

interface GraphOptions extends FileOptions {
  readonly format: 'text' | 'dot';
}

export function graphCommand(context: Context): Command {
  return withFiles(new Command('graph').description('show what is defined and what it depends on'))
    .addOption(
      new Option('--format <format>', 'for people, or for Graphviz').choices(['text', 'dot']).default('text'),
    )
    .action(async ({ file, format }: GraphOptions) => {
      const definitions = definitionsOf(context, file);
      if (definitions === undefined) return;
      context.console.print(format === 'dot' ? dotGraph(definitions) : textGraph(definitions));
    });
}
