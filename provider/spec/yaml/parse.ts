import { Composer, type Document, LineCounter } from 'yaml';
import { failure, type Result, success } from '../../model/diagnostic.ts';
import type { DefinitionText } from '../definitions.ts';
import { complaints, firstOfEachLine } from './complaints.ts';
import { growTree } from './grow.ts';
import { maxDepth, maxFileBytes } from './limits.ts';
import { syntaxProblem } from './problems.ts';
import { TokenReader } from './tokens.ts';
import type { SourceFile, Tree } from './tree.ts';

/**
 * Reads the text of one file: YAML 1.2, one document, no tags of its own. Whatever breaks that is told with its place, all of it at once.
 * `undefined`: the file says nothing.
 */
export function parseYaml({ name, text, home }: DefinitionText): Result<Tree | undefined> {
  const lines = new LineCounter();
  const file: SourceFile = {
    ...{ name, home },
    position: (offset) => {
      const { line, col } = lines.linePos(Math.min(offset, text.length));
      return { file: name, line: Math.max(line, 1), column: Math.max(col, 1) };
    },
  };
  if (text.length > maxFileBytes) {
    const what = `is too large: ${text.length} characters, ${maxFileBytes} at most`;
    return failure(syntaxProblem(file, 0, what, 'Split it into several files of one directory.'));
  }
  const tokens = new TokenReader(text, lines);
  // Keys are compared when the tree grows: the library compares each with each.
  const composer = new Composer({
    uniqueKeys: false,
    stringKeys: true,
    prettyErrors: false,
    version: '1.2',
  });
  const documents: Document.Parsed[] = [...composer.compose(tokens.read(), true, text.length)];
  if (tokens.tooDeep !== undefined) {
    const what = `is nested more than ${maxDepth} deep here; nothing in a definition is`;
    return failure(syntaxProblem(file, tokens.tooDeep, what));
  }
  return readDocuments(file, documents, tokens);
}

function readDocuments(
  file: SourceFile,
  [first, second]: readonly Document.Parsed[],
  { unclosed }: TokenReader,
): Result<Tree | undefined> {
  if (first === undefined) return success(undefined);
  const problems = [...complaints(file, first, unclosed)];
  const { explicit, version } = first.directives.yaml;
  if (explicit === true && version !== '1.2') {
    const what = `is YAML ${version} by its %YAML line; definitions are YAML 1.2`;
    problems.push(syntaxProblem(file, 0, what, 'Remove the line.'));
  }
  if (second !== undefined) {
    const what = 'holds a second document here (after a line of --- or ...)';
    const hint = 'Write it into a file of its own: all files of a directory are read together.';
    problems.push(syntaxProblem(file, second.range[0], what, hint));
  }
  const grown = growTree(file, first);
  if (!grown.ok) problems.push(...grown.diagnostics);
  return problems.length > 0 ? failure(...firstOfEachLine(problems)) : grown;
}
