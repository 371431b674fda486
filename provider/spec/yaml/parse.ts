import { Composer, type CST, type Document, Lexer, LineCounter, Parser, type YAMLError } from 'yaml';
import { type Diagnostic, failure, type Result, success } from '../../model/diagnostic.ts';
import { printableLine } from '../../model/printable.ts';
import type { DefinitionText } from '../definitions.ts';
import { growTree } from './grow.ts';
import { maxDepth, maxFileBytes } from './limits.ts';
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
    return failure(
      syntaxProblem(
        file,
        0,
        `the file is too large: ${text.length} characters, ${maxFileBytes} at most`,
        'Split it into several files of one directory.',
      ),
    );
  }
  const tokens = new TokenReader(text, lines);
  // Keys are compared by growTree: the library compares each with each.
  const composer = new Composer({ uniqueKeys: false, stringKeys: true, prettyErrors: false, version: '1.2' });
  const documents: Document.Parsed[] = [...composer.compose(tokens.read(), true, text.length)];
  if (tokens.tooDeep !== undefined) {
    return failure(
      syntaxProblem(
        file,
        tokens.tooDeep,
        `is nested more than ${maxDepth} deep here; nothing in a definition is`,
      ),
    );
  }
  return readDocuments(file, documents);
}

/** Ends the reading where the nesting is deeper than is good for whoever recurses over it. */
class TokenReader {
  /** Where that was. */
  tooDeep: number | undefined;
  readonly #text: string;
  readonly #lines: LineCounter;

  constructor(text: string, lines: LineCounter) {
    this.#text = text;
    this.#lines = lines;
  }

  *read(): Generator<CST.Token> {
    const parser = new Parser(this.#lines.addNewLine);
    this.#lines.addNewLine(0);
    for (const lexeme of new Lexer().lex(this.#text)) {
      yield* parser.next(lexeme);
      if (parser.stack.length <= 2 * maxDepth) continue;
      this.tooDeep = parser.offset;
      return;
    }
    yield* parser.end();
  }
}

function readDocuments(file: SourceFile, documents: readonly Document.Parsed[]): Result<Tree | undefined> {
  const [first, second] = documents;
  if (first === undefined) return success(undefined);
  const problems = [...first.errors, ...first.warnings.filter(({ code }) => code !== 'BAD_INDENT')].map(
    (error) => libraryProblem(file, error),
  );
  if (first.directives.yaml.explicit === true && first.directives.yaml.version !== '1.2') {
    const version = first.directives.yaml.version;
    problems.push(syntaxProblem(file, 0, `is YAML ${version} by its %YAML line; definitions are YAML 1.2`));
  }
  if (second !== undefined) {
    problems.push(
      syntaxProblem(
        file,
        second.range[0],
        'holds a second document here (after a line of ---)',
        'Write it into a file of its own: all files of a directory are read together.',
      ),
    );
  }
  const grown = growTree(file, first);
  if (!grown.ok) problems.push(...grown.diagnostics);
  return problems.length > 0 ? failure(...problems) : grown;
}

/** In the parser's words, which may quote what the file says. */
function libraryProblem(file: SourceFile, error: YAMLError): Diagnostic {
  const said = printableLine(error.message);
  const words = said.length > 200 ? `${said.slice(0, 200)}…` : said;
  return syntaxProblem(
    file,
    error.pos[0],
    `is not YAML here: ${words.charAt(0).toLowerCase()}${words.slice(1)}`,
    remedies[error.code],
  );
}

const remedies: Partial<Record<YAMLError['code'], string>> = {
  TAB_AS_INDENT: 'Indent with blanks.',
  BAD_INDENT: 'Give keys of one object the same indentation.',
  TAG_RESOLVE_FAILED: 'Leave the tag (!…) out; text that looks like a number stands in quotes.',
  BLOCK_AS_IMPLICIT_KEY: 'Put text with a colon in quotes.',
  BAD_SCALAR_START: 'Put the text in quotes.',
  BAD_DQ_ESCAPE: "Write \\\\ for a backslash, or use single quotes: '…'.",
  NON_STRING_KEY: 'Write a name before the colon.',
};
