import { type CST, Lexer, type LineCounter, Parser } from 'yaml';
import { maxDepth, maxProblems, maxTokens } from './limits.ts';

/**
 * Reads the tokens of one file, and ends where the nesting is deeper than is good for whoever recurses over it, and where there are more than
 * memory should hold.
 */
export class TokenReader {
  /** Where it ended for that. */
  tooDeep: number | undefined;
  /** Where it ended for their number. */
  tooMany: number | undefined;
  /** Where text in quotes begins that never ends; the library tells where the file ends. */
  unclosed: number | undefined;
  readonly #text: string;
  readonly #lines: LineCounter;
  readonly #most: number;

  constructor(text: string, lines: LineCounter, most = maxTokens) {
    this.#text = text;
    this.#lines = lines;
    this.#most = most;
  }

  *read(): Generator<CST.Token> {
    const parser = new Parser(this.#lines.addNewLine);
    this.#lines.addNewLine(0);
    let [lexemes, errors] = [0, 0];
    for (const lexeme of new Lexer().lex(this.#text)) {
      if (isUnclosed(lexeme)) this.unclosed = parser.offset;
      for (const token of parser.next(lexeme)) {
        if (token.type === 'error') errors += 1;
        if (errors <= maxProblems) yield token;
      }
      lexemes += 1;
      if (lexemes > this.#most) {
        this.tooMany = parser.offset;
        return;
      }
      // The lowest place of the stack is the document's.
      if (parser.stack.length <= maxDepth + 1) continue;
      this.tooDeep = parser.offset;
      return;
    }
    yield* parser.end();
  }
}

/** Lexemes of text in quotes begin with the quote, all others with something else. */
function isUnclosed(lexeme: string): boolean {
  const quote = lexeme[0];
  return (quote === '"' || quote === "'") && (lexeme.length === 1 || !lexeme.endsWith(quote));
}
