/** How the program ends. docs/guides/command-line.md explains them. */
export const exitCodes = {
  /** All went well; with `plan --detailed-exitcode`: nothing to do. */
  ok: 0,
  /** Something is wrong with the definitions, a host or the command; or an apply did not do everything. */
  failed: 1,
  /** `plan --detailed-exitcode`: there is something to do. `evidence`: a guest is not isolated as asked for. */
  attention: 2,
  /** A bug. */
  bug: 70,
  /** Ctrl-C: an apply was stopped before it was through. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];
