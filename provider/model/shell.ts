/**
 * Shell text that may be sent to a host. It can only be made from typed pieces: literal program text written in this
 * code base (the template's own strings), words that are quoted here, and other shell text. An ordinary string does not
 * type-check as an interpolation, so nothing that a user, a host or a guest said can reach a shell unquoted.
 */
export class ShellText {
  readonly text: string;

  /** Private in spirit: use `sh`, `word`, `words`, `lines`. */
  protected constructor(text: string) {
    this.text = text;
  }

  static unsafelyFromProgramText(text: string): ShellText {
    return new ShellText(text);
  }

  toString(): string {
    return this.text;
  }
}

/** Thrown for text no shell can carry; callers validate names first, so reaching it is a bug. */
export class UnquotableError extends Error {}

/** One argument, quoted: whatever the text holds, the shell sees exactly one word with exactly these bytes. */
export function word(text: string): ShellText {
  if (text.includes('\0')) throw new UnquotableError('a NUL byte cannot be part of a shell word');
  if (/^[A-Za-z0-9_/:=.,@%+-]+$/.test(text)) return ShellText.unsafelyFromProgramText(text);
  return ShellText.unsafelyFromProgramText(`'${text.replaceAll("'", `'\\''`)}'`);
}

/** Several arguments, quoted, separated by blanks. */
export function words(texts: readonly string[]): ShellText {
  return ShellText.unsafelyFromProgramText(texts.map((text) => word(text).text).join(' '));
}

/** Shell texts, each on a line of its own. */
export function lines(texts: readonly ShellText[]): ShellText {
  return ShellText.unsafelyFromProgramText(texts.map((text) => text.text).join('\n'));
}

/** Shell texts in a row, with a blank or what is said between them. */
export function joined(texts: readonly ShellText[], between: ShellText = sh` `): ShellText {
  return ShellText.unsafelyFromProgramText(texts.map(({ text }) => text).join(between.text));
}

/** A template whose literal parts are program text and whose interpolations are shell text or finite numbers. */
export function sh(parts: TemplateStringsArray, ...values: readonly (ShellText | number)[]): ShellText {
  let text = parts[0] ?? '';
  values.forEach((value, index) => {
    text += (value instanceof ShellText ? value.text : decimal(value)) + (parts[index + 1] ?? '');
  });
  return ShellText.unsafelyFromProgramText(text);
}

function decimal(value: number): string {
  if (!Number.isSafeInteger(value)) throw new UnquotableError(`not an integer: ${value}`);
  return String(value);
}
