import { terminalLine } from './escape.ts';

/** A bug, on one line. STOCKADE_DEBUG=1 shows where in the program it was. */
export function bugText(error: unknown, version: string): string {
  const what = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const line = `stockade ${version}: this is a mistake of Stockade, please report it: ${terminalLine(what)}\n`;
  const stack =
    error instanceof Error && process.env['STOCKADE_DEBUG'] !== undefined ? error.stack : undefined;
  return stack === undefined ? line : `${line}${stack}\n`;
}
