import { type Address, describeAddress } from '../model/address.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
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
    diagnostic.hint === undefined ? '' : `What to do: ${diagnostic.hint}`,
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

/**
 * What hosts and guests said may be in it: control characters, and those that turn or break lines, are shown and not sent to
 * the terminal. Line feeds stay.
 */
export function printable(text: string): string {
  return text.replaceAll(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it looks for
    /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
    (character) => (character === '\t' ? '  ' : escaped(character)),
  );
}

/** Like `printable`, for what has to stay on one line. */
export function printableLine(text: string): string {
  return printable(text).replaceAll('\n', escaped('\n'));
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
