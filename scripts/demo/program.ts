import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { leashed } from '../../test/lab/process.ts';

export interface ProgramOptions {
  readonly cwd: string;
  /** Replaces the environment. */
  readonly env: NodeJS.ProcessEnv;
  /** Told each line of stdout and stderr as it comes. @default nobody */
  readonly onLine?: (line: string) => void;
}

export interface ProgramOutcome {
  readonly exitCode: number;
  readonly stdout: string;
  /** Both streams, in the order the lines came. */
  readonly lines: readonly string[];
}

/** Runs a program that dies, with all it started, when this process does. */
export async function runProgram(
  command: readonly string[],
  options: ProgramOptions,
): Promise<ProgramOutcome> {
  const [program, args] = leashed(command);
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: options.env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  const stdout: string[] = [];
  const take = (line: string) => {
    lines.push(line);
    options.onLine?.(line);
  };
  createInterface({ input: child.stdout }).on('line', (line) => {
    stdout.push(line);
    take(line);
  });
  createInterface({ input: child.stderr }).on('line', take);
  const exitCode = await new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 255));
  });
  return { exitCode, stdout: stdout.join('\n'), lines };
}
