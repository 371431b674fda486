import { Composer, type Document, type LineCounter, type YAMLError } from 'yaml';
import { maxProblems } from './limits.ts';
import { TokenReader } from './tokens.ts';

/** What the YAML library made of a text, and where we stopped it. */
export interface Composed {
  /** The first two at most: there may be only one. */
  readonly documents: readonly Document.Parsed[];
  readonly complaints: readonly YAMLError[];
  readonly tokens: TokenReader;
}

/** Lets the library read a text within bounds: of nesting, of tokens, and of errors, each of which costs it a kibibyte. */
export function compose(text: string, lines: LineCounter): Composed {
  const tokens = new TokenReader(text, lines);
  // Keys are compared when the tree grows: the library compares each with each.
  const composer = new Composer({
    uniqueKeys: false,
    stringKeys: true,
    prettyErrors: false,
    version: '1.2',
  });
  const { errors, warnings } = composer.streamInfo();
  for (const list of [errors, warnings]) refuseMore(list);
  const documents: Document.Parsed[] = [];
  try {
    for (const document of composer.compose(tokens.read(), true, text.length)) {
      documents.push(document);
      if (documents.length > 1) break;
    }
  } catch (error) {
    if (!(error instanceof TooMany)) throw error;
  }
  // The lists given above are those of the first document; errors behind its end are its own.
  const behind = documents[0]?.errors.filter((error) => !errors.includes(error)) ?? [];
  return { documents, complaints: [...errors, ...warnings, ...behind], tokens };
}

class TooMany extends Error {}

/** The library has no such limit, but it puts its errors into this very list. */
function refuseMore(list: YAMLError[]): void {
  Object.defineProperty(list, 'push', {
    value: (...more: readonly YAMLError[]) => {
      if (list.length >= maxProblems) throw new TooMany();
      return Array.prototype.push.apply(list, [...more]);
    },
  });
}
