import type { Diagnostic } from '../../model/diagnostic.ts';

/** What programs get of a diagnostic. */
export function diagnosticJson({
  severity,
  code,
  summary,
  detail,
  hint,
  copy,
  path,
  source,
  host,
  resource,
  step,
}: Diagnostic) {
  return { severity, code, summary, detail, hint, copy, path, source, host, resource, step };
}
