import type { YAMLError } from 'yaml';
import type { Diagnostic } from '../../model/diagnostic.ts';
import { printableLine } from '../../model/printable.ts';
import { syntaxProblem } from './problems.ts';
import type { SourceFile } from './tree.ts';

/** One fault makes several complaints; the first of a line is the best. */
export function firstOfEachLine(problems: readonly Diagnostic[]): readonly Diagnostic[] {
  const lines = new Map<number, Diagnostic>();
  for (const one of problems) {
    const { line, column } = one.source ?? { line: 0, column: 0 };
    const before = lines.get(line)?.source?.column ?? Number.POSITIVE_INFINITY;
    if (column < before) lines.set(line, one);
  }
  return [...lines.values()];
}

/** Tags and keys are looked at when the tree grows; an indentation that is only unusual is none of our business. */
function isToldElsewhere({ name, code }: YAMLError): boolean {
  if (code === 'NON_STRING_KEY') return true;
  return name === 'YAMLWarning' && (code === 'TAG_RESOLVE_FAILED' || code === 'BAD_INDENT');
}

/**
 * What the YAML library says against a file, in its words; `undefined` where that is said elsewhere.
 * @param unclosed where text in quotes begins that never ends
 */
export function complaint(
  file: SourceFile,
  error: YAMLError,
  unclosed: number | undefined,
): Diagnostic | undefined {
  const { code, message } = error;
  if (isToldElsewhere(error)) return undefined;
  const isQuote = /^Missing closing ["']quote/.test(message);
  const offset = (isQuote ? unclosed : undefined) ?? error.pos[0];
  // Some end with what stands there, which may be a secret.
  const said = code === 'UNEXPECTED_TOKEN' ? message.replace(/: .*$/s, '') : message;
  const words = printableLine(said.length > 200 ? `${said.slice(0, 200)}…` : said);
  const sentence = `is not YAML here: ${words.charAt(0).toLowerCase()}${words.slice(1)}`;
  return syntaxProblem(file, offset, sentence, remedies[code]);
}

const remedies: Partial<Record<YAMLError['code'], string>> = {
  TAB_AS_INDENT: 'Indent with blanks.',
  BAD_INDENT: 'Give keys of one object the same indentation.',
  TAG_RESOLVE_FAILED: 'Leave the tag (!…) out; text that looks like a number stands in quotes.',
  BLOCK_IN_FLOW: 'Put a comma between entries, and text with a colon in quotes.',
  BLOCK_AS_IMPLICIT_KEY: 'Put text with a colon in quotes.',
  BAD_SCALAR_START: 'Put the text in quotes.',
  BAD_DQ_ESCAPE: "Write \\\\ for a backslash, or use single quotes: '…'.",
};
