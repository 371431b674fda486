/**
 * Names of attributes, keys of maps, indexes of lists, from the top: `["hosts", "hv1", "port"]`. Terraform points at
 * the first name; the rest is told in the detail, as it would otherwise point at the resource's first line.
 */
export type AttributePath = readonly (string | number)[];

/** What went wrong or deserves a warning, as Terraform shows it. */
export interface PluginDiagnostic {
  readonly severity: 'error' | 'warning';
  /** One line: what is wrong. */
  readonly summary: string;
  /** Where, why, and what to do. */
  readonly detail?: string;
  readonly path?: AttributePath;
}

export function errorAt(path: AttributePath, summary: string, detail?: string): PluginDiagnostic {
  return { severity: 'error', summary, path, ...(detail === undefined ? {} : { detail }) };
}

export function hasErrors(diagnostics: readonly PluginDiagnostic[]): boolean {
  return diagnostics.some((diagnostic) => diagnostic.severity === 'error');
}

/** `hosts.hv1.port`, `disks[2].size`. */
export function showPath(path: AttributePath): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`;
    if (!/^[A-Za-z_][\w-]*$/.test(step)) return `${text}[${JSON.stringify(step)}]`;
    return text === '' ? step : `${text}.${step}`;
  }, '');
}
