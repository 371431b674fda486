import { type Address, describeAddress } from '../model/address.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import { printable, printableLine } from '../model/printable.ts';
import type { AttributePath, PluginDiagnostic } from '../tfplugin/types.ts';
import { toSnake } from './words.ts';

/** An expected failure as Terraform shows it: what, where, and what to do. */
export function pluginDiagnostic(diagnostic: Diagnostic, path?: AttributePath): PluginDiagnostic {
  const where = [
    diagnostic.host === undefined ? '' : `Host: ${diagnostic.host}`,
    diagnostic.resource === undefined ? '' : `Resource: ${diagnostic.resource}`,
    diagnostic.step === undefined ? '' : `Step: ${diagnostic.step}`,
  ].filter((line) => line !== '');
  const detail = [
    quoted(diagnostic.detail ?? ''),
    where.join('\n'),
    ...(diagnostic.hint === undefined ? [] : [remedy(diagnostic.hint, diagnostic.copy)]),
  ]
    .filter((part) => part !== '')
    .map(printable)
    .join('\n\n');
  const at = path ?? diagnostic.path?.map((step) => (typeof step === 'number' ? step : toSnake(step)));
  return {
    severity: diagnostic.severity,
    summary: printableLine(diagnostic.summary),
    ...(detail === '' ? {} : { detail }),
    ...(at === undefined || at.length === 0 ? {} : { path: at }),
  };
}

/** Each on one line: a line break in it is nobody's of ours. */
function remedy(hint: string, copy: string | undefined): string {
  const lines = [`What to do: ${hint}`, ...(copy === undefined ? [] : [copy])];
  return lines.map(printableLine).join('\n');
}

export function pluginDiagnostics(diagnostics: readonly Diagnostic[]): readonly PluginDiagnostic[] {
  return diagnostics.map((diagnostic) => pluginDiagnostic(diagnostic));
}

/** Lines of our own frame in what somebody else said are set off from it: only we say what to do. */
function quoted(detail: string): string {
  return detail.replaceAll(/^(?=(?:What to do|Host|Resource|Step):)/gm, '    ');
}

/** Names the object that a failure stands in the way of, where it does not do so itself. */
export function concerning(address: Address, diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  return diagnostics.map((one) => ({ host: address.host, resource: describeAddress(address), ...one }));
}
