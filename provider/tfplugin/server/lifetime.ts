import type { Logger } from '../types.ts';

const PARENT_POLL_MS = 500;

/** Ends the process when it is told to or no longer wanted, and only then. `cleanUp` runs on every way out but SIGKILL. */
export function manageLifetime(log: Logger, cleanUp: () => void): void {
  process.on('exit', cleanUp);
  // An interrupt goes to the whole process group; Terraform then calls StopProvider, and the calls must end by themselves.
  process.on('SIGINT', () => log.debug('ignoring SIGINT; waiting for StopProvider'));
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(1));
  process.on('uncaughtException', (error) => crash(error, log));
  process.on('unhandledRejection', (reason) => crash(reason, log));
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) process.exit(1);
  }, PARENT_POLL_MS).unref();
}

/**
 * Terraform shows what follows a line that starts with `panic: ` as the crash of this plugin. The stack is for
 * the log: to a user it says nothing.
 */
function crash(reason: unknown, log: Logger): void {
  const error = reason instanceof Error ? reason : new Error(String(reason));
  log.debug('crash', { stack: error.stack });
  process.stderr.write(`panic: ${error.message}\n`);
  process.exit(2);
}
