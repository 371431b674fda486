import { printable } from '../../provider/model/printable.ts';

/** Where the demo prints: people read it. */
export class Output {
  readonly #write: (text: string) => void;
  readonly #isTerminal: boolean;
  #sections = 0;

  constructor(write: (text: string) => void, isTerminal: boolean) {
    this.#write = write;
    this.#isTerminal = isTerminal;
  }

  /** Starts a section; returns what says how long it took. */
  section(title: string): () => void {
    this.#sections++;
    const started = performance.now();
    this.#write(`\n${this.#bold(`${this.#sections}. ${title}`)}\n`);
    return () => this.#write(`   (${seconds(performance.now() - started)})\n`);
  }

  /** A line below a heading; it may come from a host or a guest. */
  line(text: string): void {
    this.#write(text === '' ? '\n' : `   ${printable(text)}\n`);
  }

  /** A line that stands out. */
  strong(text: string): void {
    this.#write(`   ${this.#bold(printable(text))}\n`);
  }

  #bold(text: string): string {
    return this.#isTerminal ? `\u001b[1m${text}\u001b[0m` : text;
  }
}

export function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}

/** What a line is shown as; `undefined`: not at all. */
export type LineFilter = (line: string) => string | undefined;

/** What `cdktf` and `terraform init` say every time and nobody reads in a demo. */
const noise = [
  /^You may now begin working with Terraform/,
  /^any changes that are required for your infrastructure/,
  /^should now work\.$/,
  /^If you ever set or change modules or backend/,
  /^rerun this command to reinitialize/,
  /^commands will detect it and remind you/,
  /^Terraform used the selected providers to generate/,
  /^plan\. Resource actions are indicated/,
  /^Note: You didn't use the -out option/,
  /^\d+ Stacks? (deploying|destroying)/,
];

/**
 * Makes a filter for the lines of one cdktf run: without the stack's name before each, without repeated empty lines, and without
 * what cdktf adds at the end (the outputs once more, below the stack's name).
 */
export function quieter(stack: string): LineFilter {
  let wasEmpty = true;
  let isOver = false;
  return (raw) => {
    const line = raw.startsWith(`${stack} `) ? ' '.repeat(stack.length) + raw.slice(stack.length) : raw;
    const text = line.startsWith(' '.repeat(stack.length + 2))
      ? line.slice(stack.length + 2)
      : line.trimStart();
    const shown = text.trim() === stack ? '' : text.trimEnd();
    isOver ||= raw === `  ${stack}`;
    if (isOver || noise.some((pattern) => pattern.test(shown.trimStart()))) return undefined;
    if (shown === '' && wasEmpty) return undefined;
    wasEmpty = shown === '';
    return shown;
  };
}

const attributeLines =
  /^ *([\]})]|- |Resource actions are indicated|Terraform will perform the following|Changes to Outputs:)/;

/** Leaves out every single attribute that goes: all of them do. */
export function withoutAttributes(filter: LineFilter): LineFilter {
  return (raw) => {
    const line = filter(raw);
    return line === undefined || line === '' || attributeLines.test(line) ? undefined : line;
  };
}
