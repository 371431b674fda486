import { version } from '../../package.json';
import type { Context } from './commands/common.ts';
import { exitCodes } from './exit-codes.ts';
import { program, runProgram } from './program.ts';
import { bugText } from './views/bug.ts';
import { Console } from './views/console.ts';

const { stdin, stdout, stderr, env: environment } = process;
const console = new Console({ stdin, stdout, stderr, environment });
const context: Context = {
  console,
  onInterrupt: (called) => {
    process.on('SIGINT', called);
    process.on('SIGTERM', called);
    return () => {
      process.off('SIGINT', called);
      process.off('SIGTERM', called);
    };
  },
  end: (code) => {
    process.exitCode ??= code;
  },
  now: () => Date.now(),
};

/** A reader that has seen enough (`| head`) is no failure, and no reason to leave an apply half done. */
for (const stream of [stdout, stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

const reportBug = (error: unknown) => {
  console.note(bugText(error, version));
  process.exit(exitCodes.bug);
};
process.on('uncaughtException', reportBug);
process.on('unhandledRejection', reportBug);
runProgram(program(context, version), process.argv.slice(2), context).catch(reportBug);
