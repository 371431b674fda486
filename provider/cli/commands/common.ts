import type { Command } from 'commander';
import { InvalidArgumentError, Option } from 'commander';
import { type Diagnostic, failure, type Result } from '../../model/diagnostic.ts';
import type { Definitions } from '../../spec/definitions.ts';
import { loadDefinitions } from '../../definitions/load.ts';
import { defaultParallelism } from '../library.ts';
import { exitCodes, type ExitCode } from '../exit-codes.ts';
import type { Console } from '../views/console.ts';

/** What every command has to work with. */
export interface Context {
  readonly console: Console;
  /** Calls back on each ctrl-C, until it is taken back; meanwhile the program does not end by it. */
  readonly onInterrupt: (called: () => void) => () => void;
  /** How the program will end. */
  readonly end: (code: ExitCode) => void;
  readonly now: () => number;
}

export interface FileOptions {
  readonly file: readonly string[];
}

export interface SelectOptions extends FileOptions {
  readonly limit: readonly string[];
  readonly exclude: readonly string[];
  readonly parallelism: number;
}

export const defaultFile = 'stockade.yaml';

const gather = (value: string, before: readonly string[] | undefined): readonly string[] => [
  ...(before ?? []),
  value,
];

export function withFiles(command: Command): Command {
  return command.addOption(
    new Option(
      '-f, --file <path>',
      `a file or a directory of definitions; several may be given (default: ${defaultFile})`,
    )
      .argParser(gather)
      .default(undefined),
  );
}

export function withSelection(command: Command): Command {
  return withFiles(command)
    .addOption(
      new Option(
        '--limit <pattern>',
        'only hosts and guests like this: hv1, hv*, web?, hv1/web1; several may be given',
      )
        .argParser(gather)
        .default([], 'all'),
    )
    .addOption(
      new Option('--exclude <pattern>', 'without hosts and guests like this; several may be given')
        .argParser(gather)
        .default([], 'none'),
    )
    .addOption(
      new Option('--parallelism <hosts>', 'how many hosts are worked on at the same time')
        .argParser(positive)
        .default(defaultParallelism),
    );
}

function positive(text: string): number {
  const value = Number(text);
  if (!/^[0-9]{1,4}$/.test(text) || value < 1)
    throw new InvalidArgumentError('It must be a number from 1 to 9999.');
  return value;
}

/** Reads the definitions and shows what is wrong with them; `undefined`: they cannot be used. */
export function definitionsOf(
  context: Context,
  files: readonly string[] | undefined,
): Definitions | undefined {
  const loaded = loadDefinitions(files ?? [defaultFile]);
  return resultOf(context, loaded.ok ? loaded : failure(...loaded.diagnostics.map(withBeginning)));
}

/** Who has no definitions yet is told how to begin. */
function withBeginning(one: Diagnostic): Diagnostic {
  const hint = 'Name files or directories with --file; `stockade init` writes a first one.';
  return one.code === 'definition-unreadable' && one.hint === undefined ? { ...one, hint } : one;
}

/** Shows warnings, or errors and ends with a failure. */
export function resultOf<T>(
  { console, end }: Pick<Context, 'console' | 'end'>,
  result: Result<T>,
): T | undefined {
  if (result.ok) {
    console.diagnostics(result.warnings);
    return result.value;
  }
  fail({ console, end }, result.diagnostics);
  return undefined;
}

export function fail(
  { console, end }: Pick<Context, 'console' | 'end'>,
  diagnostics: readonly Diagnostic[],
): void {
  console.diagnostics(diagnostics);
  end(exitCodes.failed);
}
