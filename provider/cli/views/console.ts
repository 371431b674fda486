import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import type { Diagnostic } from '../../model/diagnostic.ts';
import { alikeTogether } from './alike.ts';
import { humanDiagnostic } from './diagnostics.ts';
import { type Style, styleFor } from './style.ts';

export interface Streams {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Writable & { readonly isTTY?: boolean };
  readonly stderr: Writable & { readonly isTTY?: boolean };
  readonly environment: NodeJS.ProcessEnv;
}

/** The only way to what people and programs read: answers to stdout, diagnostics and progress to stderr. */
export class Console {
  readonly style: Style;
  readonly errorStyle: Style;
  readonly environment: NodeJS.ProcessEnv;
  readonly #streams: Streams;

  constructor(streams: Streams) {
    this.#streams = streams;
    this.environment = streams.environment;
    this.style = styleFor(streams.stdout, streams.environment);
    this.errorStyle = styleFor(streams.stderr, streams.environment);
  }

  /** Text that is escaped already. */
  print(text: string): void {
    this.#streams.stdout.write(text);
  }

  /** The same, beside the answer. */
  note(text: string): void {
    this.#streams.stderr.write(text);
  }

  diagnostics(all: readonly Diagnostic[]): void {
    for (const one of alikeTogether(all)) this.note(humanDiagnostic(one, this.errorStyle));
  }

  /** People look at what is written to stderr. */
  get watched(): boolean {
    const { stderr, environment } = this.#streams;
    return stderr.isTTY === true && environment['TERM'] !== 'dumb' && environment['CI'] === undefined;
  }

  get printsToTerminal(): boolean {
    return this.#streams.stdout.isTTY === true;
  }

  get canAsk(): boolean {
    return this.#streams.stdin.isTTY === true;
  }

  /** What somebody types; `undefined` when they type nothing more. */
  ask(question: string): Promise<string | undefined> {
    // the terminal's own line editing: what is typed ahead stays for the next question
    const lines = createInterface({
      input: this.#streams.stdin,
      output: this.#streams.stderr,
      terminal: false,
    });
    return new Promise((resolve) => {
      let answer: string | undefined;
      lines.on('close', () => resolve(answer));
      lines.question(question, (typed) => {
        answer = typed.trim();
        lines.close();
      });
    });
  }
}
