/** Where in a user's file a problem stands; line and column count from 1. */
export interface SourcePosition {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/**
 * An expected failure (or a warning), as a value. Exceptions are bugs.
 * `summary` says what is wrong, `hint` what to do; `host` and `step` or `path` say where.
 */
export interface Diagnostic {
  readonly severity: 'error' | 'warning';
  /** Stable, kebab-case, for tests and scripts: `host-unreachable`, `record-exists`, … */
  readonly code: string;
  readonly summary: string;
  readonly detail?: string;
  /** The remedy, in the imperative. */
  readonly hint?: string;
  /** What the remedy wants copied to the letter, on a line of its own: an entry of a known_hosts file, a line of code. */
  readonly copy?: string;
  /** Path into the definition: `['kernel', 'file']`. */
  readonly path?: readonly (string | number)[];
  readonly source?: SourcePosition;
  readonly host?: string;
  /** The resource it concerns, as shown to users: `guest web1 on hv1`. */
  readonly resource?: string;
  /** The operation or phase it came from. */
  readonly step?: string;
}

/** A value or the reasons why there is none; warnings may stand beside a value. */
export type Result<T> =
  | { readonly ok: true; readonly value: T; readonly warnings: readonly Diagnostic[] }
  | { readonly ok: false; readonly diagnostics: readonly Diagnostic[] };

export function success<T>(value: T, warnings: readonly Diagnostic[] = []): Result<T> {
  return { ok: true, value, warnings };
}

export function failure<T = never>(...diagnostics: readonly Diagnostic[]): Result<T> {
  return { ok: false, diagnostics };
}

/** Builds an error diagnostic. */
export function problem(
  code: string,
  summary: string,
  more: Omit<Partial<Diagnostic>, 'code' | 'summary'> = {},
): Diagnostic {
  return { severity: 'error', code, summary, ...more };
}

/** Builds a warning diagnostic. */
export function caution(
  code: string,
  summary: string,
  more: Omit<Partial<Diagnostic>, 'code' | 'summary'> = {},
): Diagnostic {
  return { severity: 'warning', code, summary, ...more };
}
