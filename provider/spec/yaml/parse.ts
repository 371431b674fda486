import { LineCounter } from 'yaml';
import { failure, type Result } from '../../model/diagnostic.ts';
import type { DefinitionText } from '../definitions.ts';
import { complaint, firstOfEachLine } from './complaints.ts';
import { type Composed, compose } from './compose.ts';
import { growTree } from './grow.ts';
import { maxDepth, maxFileBytes, maxTokens } from './limits.ts';
import { syntaxProblem } from './problems.ts';
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
    return failure(syntaxProblem(file, 0, what, splitIt));
  }
  return readDocuments(file, compose(text, lines));
}

function readDocuments(file: SourceFile, composed: Composed): Result<Tree | undefined> {
  const [first, second] = composed.documents;
  const { tooDeep, tooMany, unclosed } = composed.tokens;
  if (tooDeep !== undefined) {
    const what = `is nested more than ${maxDepth} deep here; nothing in a definition is`;
    return failure(syntaxProblem(file, tooDeep, what));
  }
  if (tooMany !== undefined) {
    const what = `is too large: more than ${maxTokens} pieces up to here`;
    return failure(syntaxProblem(file, tooMany, what, splitIt));
  }
  const problems = composed.complaints.flatMap((error) => complaint(file, error, unclosed) ?? []);
  if (second !== undefined) {
    const what = 'holds a second document here (after a line of --- or ...)';
    const hint = 'Write it into a file of its own: all files of a directory are read together.';
    problems.push(syntaxProblem(file, second.range[0], what, hint));
  }
  if (first === undefined) return failure(...firstOfEachLine(problems));
  const { explicit, version } = first.directives.yaml;
  if (explicit === true && version !== '1.2') {
    const what = `is YAML ${version} by its %YAML line; definitions are YAML 1.2`;
    problems.push(syntaxProblem(file, 0, what, 'Remove the line.'));
  }
  const grown = growTree(file, first);
  if (!grown.ok) problems.push(...grown.diagnostics);
  return problems.length > 0 ? failure(...firstOfEachLine(problems)) : grown;
}

const splitIt = 'Split it into several files of one directory.';
